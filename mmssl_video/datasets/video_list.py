"""Videos named in a list file, with reproducible draws and a policy for bad files."""

from __future__ import annotations

import os
import os.path as osp
from collections.abc import Sequence

import torch
from mmaction.datasets import BaseActionDataset
from mmaction.registry import DATASETS

from mmssl_video.datasets.bad_videos import BadVideo, BadVideoRecord, by_path, too_many_message
from mmssl_video.datasets.errors import BadVideoError, ShortVideoError, TooManyBadVideosError
from mmssl_video.datasets.flow_format import SUFFIXES
from mmssl_video.datasets.pipelines import Pipeline, build_steps
from mmssl_video.datasets.seeding import derive_index, seeded
from mmssl_video.datasets.transforms.flow_input import check_flow_pipeline
from mmssl_video.datasets.views import View, view_after


class _SharedNumbers:
    """(seed, epoch) in shared memory: what the main process writes, running workers see."""

    def __init__(self, seed: int, epoch: int) -> None:
        self.values = torch.tensor([seed, epoch], dtype=torch.int64).share_memory_()

    def __deepcopy__(self, memo) -> _SharedNumbers:
        return type(self)(*self.values.tolist())  # torch's own copy would not be shared


@DATASETS.register_module()
class VideoListDataset(BaseActionDataset):
    """Videos and labels from a list file.

    One video per line, ``relative/path with spaces.mp4 LABEL``: the label is the last field, a
    whole number, -1 for unlabelled; with ``num_classes=None`` it may be left out. UTF-8; empty
    lines are skipped.

    Every random draw made for a sample comes from (seed, epoch, sample index, redraw number): the
    global generators are seeded by them before the pipeline runs and put back after it. Batches
    therefore depend neither on the number of workers nor on a resume, and no epoch repeats
    another's augmentations, provided ``set_epoch`` is called before each (``SampleSeedHook``).
    With ``test_mode=True`` the epoch counts as 0, so that every evaluation sees the same.

    **Bad videos** (``BadVideoError`` from the pipeline). ``on_error='skip'`` draws another sample
    at random in its place and records the file (``bad_videos()``, reported by ``BadSampleHook``);
    as soon as more than ``max_bad_share`` of all videos are bad, ``TooManyBadVideosError`` names
    them and stops. ``on_error='raise'`` stops at the first one. Videos that
    ``SampleWindow(short='drop')`` leaves out in training are replaced and recorded as *short*: they
    do not count as bad. By default a training set skips and a test set (``test_mode=True``) raises,
    bad or short, so that no figure of an evaluation silently rests on other videos. ``'skip'`` may
    be asked for there too, for the validation between epochs, which one file should not end; each
    validation then draws the same replacements.

    **Optical flow** of the listed videos, made by ``mmssl flow``, is read with
    ``modality='Flow'``, ``suffix='.flow.mp4'`` (or ``'.flow'``) and the folder of flows as
    ``data_prefix``; list and pipeline stay as for RGB, without colours and with ``VideoFlip``.

    Args:
        ann_file: The list file (joined to ``data_root`` when relative).
        pipeline: Transforms: a list, or a dict of named steps (:func:`steps_of`).
        data_prefix: ``dict(video=FOLDER)`` to which the list's paths are joined.
        modality: ``'RGB'`` or ``'Flow'``.
        suffix: Is appended to every path of the list.
        num_classes: Labels must lie in ``[0, num_classes)`` or be -1. ``None``: any.
        classes: Class names, or a file with one name per line; sets ``num_classes``.
        test_mode: See above.
        seed: First number of every draw. ``None``: ``SampleSeedHook`` gives the run's seed (0
            until then).
        on_error: ``'skip'`` or ``'raise'``; ``None`` raises with ``test_mode``, else skips.
        max_bad_share: Largest tolerated share of bad videos, in [0, 1].
        check_files: Look whether all files exist when the dataset is built. Without this check a
            missing file is a bad video.
        **kwargs: As mmaction2's ``BaseActionDataset`` (``data_root``, ``indices``, …).

    ``view`` is what an encoder sees of its videos (:class:`~mmssl_video.datasets.views.View`).

    Samples carry ``filename``, ``label``, ``modality`` and, for naming a video whatever is read of
    it, ``name``, its path in the list.

    Raises:
        FileNotFoundError: The list file, or files that it names, are not there.
        ValueError: A line is wrong, a label is out of range, the list is empty, an argument makes
            no sense, ``SplitBlocks`` does not divide the window of ``SampleWindow``, temporal
            augmentations drop more of it than they may, or a transform is not for flow.
    """

    def __init__(
        self,
        ann_file: str,
        pipeline: Pipeline,
        data_prefix: dict | None = None,
        num_classes: int | None = None,
        classes: Sequence[str] | str | None = None,
        test_mode: bool = False,
        seed: int | None = None,
        on_error: str | None = None,
        max_bad_share: float = 0.05,
        check_files: bool = True,
        max_refetch: int = 100,
        modality: str = 'RGB',
        suffix: str = '',
        metainfo: dict | None = None,
        **kwargs,
    ) -> None:
        if not isinstance(data_prefix, (dict, type(None))):
            raise ValueError(
                f'VideoListDataset: data_prefix must be dict(video=FOLDER), not {data_prefix!r}: '
                f'set data_prefix.video={data_prefix}'
            )
        if on_error not in ('skip', 'raise', None):
            raise ValueError(
                f"VideoListDataset: on_error must be 'skip', 'raise' or None, got {on_error!r}"
            )
        if not 0 <= max_bad_share <= 1:
            raise ValueError(
                f'VideoListDataset: max_bad_share is a share between 0 and 1, got {max_bad_share!r}'
            )
        if seed is not None and seed < 0:
            raise ValueError(f'VideoListDataset: seed must be at least 0, got {seed!r}')
        if modality not in ('RGB', 'Flow'):
            raise ValueError(
                f"VideoListDataset: modality must be 'RGB' or 'Flow', got {modality!r}"
            )
        if modality == 'RGB' and suffix in SUFFIXES.values():
            raise ValueError(
                f'VideoListDataset: suffix={suffix!r} names optical flow: set '
                "modality='Flow' as well"
            )
        if isinstance(classes, str):
            if not osp.isfile(classes):
                raise FileNotFoundError(
                    f'VideoListDataset: the file of class names {classes!r} is not there: mmssl '
                    'prepare writes it beside its lists, or set classes to where it lies.'
                )
            with open(classes, encoding='utf-8-sig') as lines:
                classes = [line.strip() for line in lines if line.strip()]
        if classes is not None:
            if num_classes is not None and num_classes != len(classes):
                raise ValueError(
                    f'VideoListDataset: num_classes={num_classes}, but classes holds '
                    f'{len(classes)} names'
                )
            num_classes = len(classes)
            metainfo = dict(metainfo or {}, classes=list(classes))
        self.seed_is_set = seed is not None
        self.on_error = on_error or ('raise' if test_mode else 'skip')
        self.max_bad_share = max_bad_share
        self.check_files = check_files
        self.suffix = suffix
        self.bad_record = BadVideoRecord()
        self._shared = _SharedNumbers(seed or 0, 0)
        super().__init__(
            ann_file,
            # built here: mmengine looks in its own registry where no default scope is set
            pipeline=build_steps(pipeline),
            num_classes=num_classes,
            data_prefix=dict(data_prefix or {'video': ''}),
            test_mode=test_mode,
            max_refetch=max_refetch,
            modality=modality,
            metainfo=metainfo,
            **kwargs,
        )
        self._check_pipeline()

    # ---------------------------------------------------------------- the list

    def load_data_list(self) -> list[dict]:
        """Read the list file (called by mmengine)."""
        if not osp.isfile(self.ann_file):
            what = 'is a folder' if osp.isdir(self.ann_file) else 'is not there'
            raise FileNotFoundError(
                f'the list file {self.ann_file!r} {what}: write it (one "path label" per line) or '
                'set ann_file / data_root of the dataset to where it lies.'
            )
        with open(self.ann_file, 'rb') as file:
            content = file.read()
        try:
            text = content.decode('utf-8-sig')
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b'\n') + 1
            raise ValueError(
                f'{self.ann_file}, line {line}: not UTF-8 text; save the list as UTF-8.'
            ) from None
        prefix = self.data_prefix.get('video') or ''
        data_list, lines = [], []
        # not splitlines(), which also splits at characters that may stand in a file name
        for number, entry in enumerate(text.split('\n'), 1):
            if entry.strip():
                path, label = self._parse_line(entry.strip(), number)
                data_list.append(
                    dict(filename=osp.join(prefix, path) + self.suffix, name=path, label=label)
                )
                lines.append(number)
        if not data_list:
            raise ValueError(f'the list file {self.ann_file!r} names no videos.')
        if self.check_files:
            self._check_files([info['filename'] for info in data_list], lines, prefix)
        return data_list

    def _parse_line(self, line: str, number: int):
        where = f'{self.ann_file}, line {number}'
        path, _, last = line.replace('\t', ' ').rpartition(' ')
        try:
            label = int(last)
        except ValueError:
            if self.num_classes is not None:
                raise ValueError(
                    f'{where}: {line!r} does not end in a label (a whole number, -1 '
                    'for unlabelled).'
                ) from None
            return line, -1
        path = line[: len(path)].rstrip()
        if not path:
            raise ValueError(f'{where}: {line!r} names no video; a line is "path label".')
        if label < -1 or (self.num_classes is not None and label >= self.num_classes):
            allowed = 'at least 0' if self.num_classes is None else f'0..{self.num_classes - 1}'
            raise ValueError(
                f'{where}: label {label} is out of range: num_classes='
                f'{self.num_classes} allows {allowed}, or -1 for unlabelled.'
            )
        return path, label

    def _check_files(self, paths, lines, prefix) -> None:
        # One listing per folder is much faster than one look per file, above all over a network.
        listings, missing = {}, []
        for path, line in zip(paths, lines):
            folder, name = osp.split(path)
            if folder not in listings:
                try:
                    listings[folder] = set(os.listdir(folder or '.'))
                except OSError:
                    listings[folder] = set()
            # file systems may spell a name in more than one way: ask before calling it missing
            if name not in listings[folder] and not osp.exists(path):
                missing.append(f'{path!r} (line {line})')
        if missing:
            more = f' and {len(missing) - 3} more' if len(missing) > 3 else ''
            raise FileNotFoundError(
                f'{len(missing)} of the {len(paths)} videos named in {self.ann_file!r} are not '
                f'there: {", ".join(missing[:3])}{more}. Paths in the list are joined to '
                f'data_prefix video={prefix!r}: set that to the folder of the videos, or mend the '
                'list (check_files=False treats missing files as bad videos).'
                + (' Flow is made by mmssl flow.' if self.modality == 'Flow' else '')
            )

    def _check_pipeline(self) -> None:
        if self.modality == 'Flow':
            check_flow_pipeline(self.pipeline.transforms)
        seen = View(modality=self.modality, suffix=self.suffix)
        self.view = view_after(self.pipeline.transforms, seen)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Label of a sample; mmengine's ``ClassBalancedDataset`` asks (see ``SampleSeedHook``)."""
        return [int(self.get_data_info(idx)['label'])]

    # ---------------------------------------------------------------- randomness

    @property
    def seed(self) -> int:
        return int(self._shared.values[0])

    @property
    def epoch(self) -> int:
        """The epoch that samples are drawn for; always 0 with ``test_mode``."""
        return 0 if self.test_mode else int(self._shared.values[1])

    def set_epoch(self, epoch: int) -> None:
        """Draw for this epoch from now on, in running (persistent) workers too."""
        self._shared.values[1] = epoch

    def set_seed(self, seed: int) -> None:
        """Replace the first number of every draw, in running workers too."""
        self._shared.values[0] = seed
        self.seed_is_set = True

    # ---------------------------------------------------------------- samples

    def __getitem__(self, idx: int) -> dict:
        if not self._fully_initialized:
            self.full_init()
        idx = int(idx) % len(self) if -len(self) <= idx < 0 else int(idx)
        seed, epoch, drawn = self.seed, self.epoch, idx
        for redraw in range(self.max_refetch + 1):
            info = self.get_data_info(drawn)
            problem = None
            try:
                with seeded(seed, epoch, idx, redraw):
                    data = self.pipeline(info.copy())
            except BadVideoError as error:
                problem, data = error, None
                self._on_bad_video(error, epoch)
            if data is not None:
                return data
            if self.test_mode and problem is None:
                raise RuntimeError(f'the pipeline gave nothing for {info["filename"]}')
            # the fifth number keeps this draw apart from those of the pipeline
            drawn = derive_index(len(self), seed, epoch, idx, redraw, 1)
        last = f'; the last one: {problem}' if problem else ''
        raise TooManyBadVideosError(
            f'no usable video in {self.max_refetch + 1} random draws from {self.ann_file}{last}. '
            'Check the list, the files and the length of the window (SampleWindow num_frames, '
            'stride, short).'
        )

    def _on_bad_video(self, error: BadVideoError, epoch: int) -> None:
        """Apply the policy: record the video, or raise."""
        short = isinstance(error, ShortVideoError)
        if self.on_error == 'raise' and (self.test_mode or not short):
            raise error
        new = self.bad_record.add(BadVideo(epoch, error.path, error.reason or '', error.kind))
        if new and not short:
            bad = by_path(self.bad_record.read(), 'bad')
            if len(bad) > self.max_bad_share * len(self):
                raise TooManyBadVideosError(
                    too_many_message(bad, len(self), self.max_bad_share, self.ann_file)
                ) from error

    def bad_videos(self, epoch: int | None = None) -> list[BadVideo]:
        """Videos that could not be used so far, in all worker processes, each once per epoch.

        Args:
            epoch: Only those met in this epoch.
        """
        entries = self.bad_record.read()
        return [entry for entry in entries if epoch is None or entry.epoch == epoch]
