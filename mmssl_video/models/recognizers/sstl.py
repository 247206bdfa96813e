"""SSTL: one clip, augmented twice in time and space, against a temporal memory of all videos."""

from __future__ import annotations

from typing import Any

import torch
from mmaction.registry import MODELS
from mmengine.dist import is_main_process

from ..feature_std import feature_std
from ..losses.gather import gather_rows
from ..memory_bank.storage import KEY, fingerprint_of, remove_outdated
from .older_settings import upgrade_sstl
from .self_supervised import SampleNeeds, SelfSupervisedRecognizer, check_widths


@MODELS.register_module()
class SSTL(SelfSupervisedRecognizer):
    """Self-supervised temporal learning: Eq. (1) to (6).

    Two views x and y of a clip shall resemble each other more than other clips and cells of other
    videos in the memory bank (Eq. 3 and 4), each view its video as the bank knows it (Eq. 5), and
    their features tell how fast they are played. What only a term of weight 0 would need is not
    built.

    Args:
        backbone: Config of the encoder; its keys pass to classifiers as they are.
        projector: Config of the projection head of f, such as :class:`ProjectionMLP`.
        bank: Config of :class:`TemporalMemoryBank`.
        rate_head: Config of :class:`PlaybackRateHead`.
        losses: ``clip`` (of the projections of both views, with the clips' videos and the bank),
            ``video`` (of a projection and the bank's mean of its video) and ``rate``: Eq. (6).
        data_preprocessor: Config of the data preprocessor.

    Raises:
        ValueError: For values that contradict each other.
    """

    LOSSES = dict(
        clip=dict(type='ClipContrastLoss'),
        video=dict(type='ClipToVideoLoss'),
        rate=dict(type='PlaybackRateLoss'),
    )
    ADVICE = "RepeatClips.times=2 and SampleWindow.mode='random'"

    def __init__(
        self,
        backbone: dict,
        projector: dict,
        bank: dict | None = None,
        rate_head: dict | None = None,
        losses: dict | None = None,
        data_preprocessor: dict | None = None,
    ):
        super().__init__(backbone, losses, data_preprocessor)
        reads_bank, predicts_rate = self.reads_bank(self.losses), 'rate' in self.losses
        for name, config, needed in (
            ('bank', bank, reads_bank),
            ('rate_head', rate_head, predicts_rate),
        ):
            if needed and config is None:
                raise ValueError(
                    f'model.{name} is missing: give its config, or set the losses '
                    'that need it to None'
                )
        self.projector = MODELS.build(projector)
        self.bank: Any = MODELS.build(bank) if reads_bank else None
        self.rate_head: Any = MODELS.build(rate_head) if predicts_rate else None
        width = getattr(self.backbone, 'out_channels', None)
        widths = [('projector.in_channels', self.projector.in_channels, width)]
        if self.bank is not None:
            widths.append(('bank.dim', self.bank.dim, self.projector.out_channels))
        check_widths(widths)
        if not {'clip', 'video'} & set(self.losses):
            self.projector.requires_grad_(False)
        self._seen: list[tuple] = []  # clips since the last optimizer step, for the bank

    @staticmethod
    def reads_bank(losses) -> bool:
        """Whether any of these losses compares with the bank."""
        return 'video' in losses or ('clip' in losses and losses['clip'].reads_bank)

    @classmethod
    def follows_steps(cls, model) -> bool:
        return cls.reads_bank(cls.build_losses(model.get('losses')))

    @classmethod
    def needs(cls, model) -> SampleNeeds:
        losses = cls.build_losses(model.get('losses'))
        keys: tuple[str, ...] = ()
        if cls.reads_bank(losses):
            keys += ('sample_idx', 'temporal_position')
        if 'rate' in losses:
            keys += ('playback_rate',)
        return SampleNeeds(num_clips=2, keys=keys, advice=cls.ADVICE)

    @classmethod
    def upgrade(cls, model) -> dict:
        return upgrade_sstl(model)

    def extract_feat(self, inputs: torch.Tensor, **kwargs) -> torch.Tensor:
        """What is judged, ``[B, D]``: pooled maps of clips ``[B, N, C, T, H, W]``, averaged over N.

        They pass to classifiers; the "last fully-connected layer" that the retrieval of section 4.4
        takes is the feature level ``projection``.
        """
        rows = self.backbone(inputs.flatten(0, 1)).mean((2, 3, 4))
        return rows.unflatten(0, inputs.shape[:2]).mean(1)

    def compute(self, inputs, data_samples=None):
        """Losses and everything worth watching for pairs of views ``[B, 2, C, T, H, W]``.

        The bank is read, and told what it is to learn, in training alone: held-out videos are not
        in it. Data samples give ``sample_idx``, ``temporal_position`` and ``playback_rate``, as far
        as the losses need them.
        """
        self.check_clips(inputs, 2, self.ADVICE)
        maps = self.backbone(inputs.transpose(0, 1).flatten(0, 1))  # all x, then all y
        pooled = maps.mean((2, 3, 4))
        losses, stats = {}, {'feature_std': feature_std(pooled.detach())}

        def compare(slot, predicted, target, **context):
            losses[slot], figures = self.losses[slot](predicted, target, **context)
            stats.update(figures)

        if 'rate' in self.losses:
            rates = self.labels(data_samples, 'playback_rate', 'PlaybackRateDistortion')
            compare('rate', self.rate_head(maps), rates.to(pooled.device, torch.float32))
        if not {'clip', 'video'} & set(self.losses):
            return losses, stats
        features, context = self.projector(pooled), {}
        stats['projection_std'] = feature_std(features.detach())
        if self.bank is not None and self.training:
            videos = self.labels(data_samples, 'sample_idx', 'VideoListDataset').long()
            positions = self.labels(data_samples, 'temporal_position', 'TemporalRandomCrop')
            self._seen.append((videos, positions, features.detach().float()))
            if 'video' in self.losses:
                compare('video', features, self.bank.video_features(videos).to(features.device))
            stats.update(self.bank.statistics())
            context = dict(videos=videos[: len(inputs)], bank=self.bank)
        if 'clip' in self.losses:
            compare('clip', *features.chunk(2), **context)
        return losses, stats

    @torch.no_grad()
    def update_bank(self) -> None:
        """Let the bank learn from the clips of all processes since the last optimizer step."""
        if self._seen:
            device = self._seen[0][2].device  # where the processes' back end can gather
            parts = [gather_rows(torch.cat(part).to(device)) for part in zip(*self._seen)]
            self._seen = []
            self.bank.update(*parts)

    def before_training(self, run) -> None:
        """Give the bank its videos.

        Raises:
            ValueError: The training set is not one list of videos.
        """
        if self.bank is not None:
            names, device = run.video_names(), next(self.parameters()).device
            self.bank.set_videos(len(names), fingerprint_of(names), run.seed, run.work_dir, device)

    def after_step(self, progress: float) -> None:
        """Let the bank learn."""
        self.update_bank()

    def after_training(self, folder) -> None:
        """Remove the banks that no checkpoint names, and the file of the one in use."""
        if self.bank is not None:
            if is_main_process():
                remove_outdated(folder)
            self.bank.storage.close()

    def save_state(self, folder, iteration: int) -> dict:
        """The bank; one in a file is ``temporal_memory_bank_<iteration>.bin`` in the folder."""
        if self.bank is None:
            return {}
        remove_outdated(folder)
        return {KEY: self.bank.state(folder / f'{KEY}_{iteration}.bin')}

    def load_state(self, checkpoint, folder) -> None:
        """Restore the bank.

        Raises:
            ValueError: It is of another list of videos or another size, or there is none.
        """
        if self.bank is not None:
            if KEY not in checkpoint:
                raise ValueError(
                    'the checkpoint to resume from has no temporal memory bank: start '
                    'anew from its weights (load_from without resume)'
                )
            self.bank.restore(checkpoint[KEY], folder)

    def feature_levels(self) -> dict[str, str]:
        """``projection``: what the projector makes of the averaged backbone."""
        return dict(projection='projector')
