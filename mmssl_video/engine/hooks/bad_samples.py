"""Reports the videos that could not be used, and stops when they are too many."""

from __future__ import annotations

from mmaction.registry import HOOKS
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook

from mmssl_video.datasets.bad_videos import by_path, too_many_message
from mmssl_video.datasets.errors import TooManyBadVideosError
from mmssl_video.engine.hooks.sample_seed import video_list_datasets


@HOOKS.register_module()
class BadSampleHook(Hook):
    """At the end of each training, validation or test epoch: name every bad and every short video.

    Each file is named once per epoch, with its reason. The records of all processes are merged.
    When the bad ones of all processes so far are more than the dataset's ``max_bad_share``, the run
    stops. (A single process that meets too many stops at once, from the dataset itself.)

    Raises:
        TooManyBadVideosError: See above, on every process.
    """

    def after_train_epoch(self, runner) -> None:
        self._check(runner, runner.train_loop, f'Epoch {runner.epoch + 1}')

    def after_val_epoch(self, runner, metrics=None) -> None:
        # the training loop has counted its epoch by now
        self._check(runner, runner.val_loop, f'Validation after epoch {runner.epoch}')

    def after_test_epoch(self, runner, metrics=None) -> None:
        self._check(runner, runner.test_loop, 'Test')

    def _check(self, runner, loop, when: str) -> None:
        for dataset in video_list_datasets(loop.dataloader.dataset):
            records = all_gather_object(dataset.bad_videos())
            entries = list(dict.fromkeys(entry for record in records for entry in record))
            now = [entry for entry in entries if dataset.test_mode or entry.epoch == runner.epoch]
            total = len(dataset)
            bad, short = by_path(now, 'bad'), by_path(now, 'short')
            if bad:
                runner.logger.warning(
                    self._report(
                        f'{when}: {len(bad)} bad of {total} videos ({len(bad) / total:.1%}), each '
                        'replaced by another one',
                        bad,
                    )
                )
            if short:
                runner.logger.warning(
                    self._report(
                        f'{when}: {len(short)} of {total} videos too short '
                        f'({len(short) / total:.1%}), each replaced by another one',
                        short,
                    )
                )
            ever_bad = by_path(entries, 'bad')
            if len(ever_bad) > dataset.max_bad_share * total:
                raise TooManyBadVideosError(
                    too_many_message(ever_bad, total, dataset.max_bad_share, dataset.ann_file)
                )

    @staticmethod
    def _report(head: str, videos: dict) -> str:
        return '\n  '.join([f'{head}:', *(f'{path}: {reason}' for path, reason in videos.items())])
