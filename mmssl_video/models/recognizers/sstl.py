"""SSTL: one clip, augmented twice in time and space, against a temporal memory of all videos."""

from __future__ import annotations

import numpy as np
import torch
from mmaction.models.recognizers import BaseRecognizer
from mmaction.registry import MODELS
from mmengine.dist import get_world_size

from ..feature_std import feature_std
from ..losses.gather import gather_rows
from ..losses.sstl import clip_to_clip_loss, clip_to_video_loss, playback_rate_loss


@MODELS.register_module()
class SSTL(BaseRecognizer):
    """Self-supervised temporal learning: Eq. (1) to (6).

    Two views x and y of a clip shall resemble each other more than other clips and cells of other
    videos in the memory bank (Eq. 3 and 4), each view its video as the bank knows it (Eq. 5), and
    their features tell how fast they are played. A term of weight 0 is not computed, and what only
    it would need is not built.

    Args:
        backbone: Config of the encoder; its keys pass to classifiers as they are.
        projector: Config of the projection head of f, such as :class:`ProjectionMLP`.
        bank: Config of :class:`TemporalMemoryBank`; :class:`MemoryBankHook` keeps it.
        rate_head: Config of :class:`PlaybackRateHead`.
        clip_weight: lambda_ctr of Eq. (6).
        video_weight: lambda_video.
        rate_weight: lambda_spd.
        temperature: tau of Eq. (3).
        num_negatives: Cells of the bank in the sum of Eq. (3); 2048 is best in Table 5.
        gather: Contrast with the clips of all processes (the batch of Eq. 3), or of one's own.
        group_size: Contrast within groups of so many clips of the batch: as that many processes
            without ``gather``, or accumulated batches, would.
        data_preprocessor: Config of the data preprocessor.

    Raises:
        ValueError: For values that contradict each other.
    """

    def __init__(
        self,
        backbone: dict,
        projector: dict,
        bank: dict | None = None,
        rate_head: dict | None = None,
        clip_weight: float = 1.0,
        video_weight: float = 0.2,
        rate_weight: float = 0.1,
        temperature: float = 0.1,
        num_negatives: int = 2048,
        gather: bool = True,
        group_size: int | None = None,
        data_preprocessor: dict | None = None,
    ):
        super().__init__(
            backbone,
            data_preprocessor=MODELS.build(
                data_preprocessor or dict(type='ActionDataPreprocessor')
            ),
        )
        weights = dict(clip=clip_weight, video=video_weight, rate=rate_weight)
        if min(weights.values()) < 0 or not any(weights.values()):
            raise ValueError(
                f'the weights of the losses must be at least 0, one of them above, not {weights}'
            )
        if not temperature > 0 or num_negatives < 0:
            raise ValueError(
                'model.temperature must be positive and num_negatives at least 0, '
                f'not {temperature!r} and {num_negatives!r}'
            )
        if group_size is not None and gather:
            raise ValueError('model.group_size splits the batch of a process: set gather=False')
        needs_bank = video_weight > 0 or (clip_weight > 0 and num_negatives > 0)
        for name, config, needed in (
            ('bank', bank, needs_bank),
            ('rate_head', rate_head, rate_weight > 0),
        ):
            if needed and config is None:
                raise ValueError(
                    f'model.{name} is missing: give its config, or set the weights '
                    'that need it to 0'
                )
        self.projector = MODELS.build(projector)
        self.bank = MODELS.build(bank) if needs_bank else None
        self.rate_head = MODELS.build(rate_head) if rate_weight > 0 else None
        width, code = getattr(self.backbone, 'out_channels', None), self.projector.out_channels
        if width not in (None, self.projector.in_channels):
            raise ValueError(
                f'the backbone gives {width} channels but projector.in_channels is '
                f'{self.projector.in_channels}: set projector.in_channels={width}'
            )
        if needs_bank and self.bank.dim != code:
            raise ValueError(
                f'bank.dim is {self.bank.dim} but projector.out_channels is {code}: '
                f'set bank.dim={code}'
            )
        if clip_weight == video_weight == 0:
            self.projector.requires_grad_(False)
        self.weights, self.temperature = weights, float(temperature)
        self.num_negatives, self.gather, self.group_size = num_negatives, gather, group_size
        self._seen: list[tuple] = []  # clips since the last optimizer step, for the bank

    def extract_feat(self, inputs: torch.Tensor, **kwargs) -> torch.Tensor:
        """The representation that is judged, averaged over the N clips of a sample.

        It is the pooled map, which passes to classifiers; the "last fully-connected layer" of the
        retrieval (section 4.4) is the feature level ``projection`` of the evaluation.

        Args:
            inputs: ``[B, N, C, T, H, W]``, normalised.

        Returns:
            ``[B, D]``.
        """
        rows = self.backbone(inputs.flatten(0, 1)).mean((2, 3, 4))
        return rows.unflatten(0, inputs.shape[:2]).mean(1)

    def _forward(self, inputs: torch.Tensor, **kwargs) -> torch.Tensor:
        return self.extract_feat(inputs)

    @staticmethod
    def labels(data_samples: list | None, name: str, source: str) -> torch.Tensor:
        """What data samples say of their views, ``[2 B]``, view after view.

        Raises:
            ValueError: A sample does not say it.
        """
        values = [
            np.broadcast_to(sample.metainfo[name], 2) if name in sample.metainfo else None
            for sample in data_samples or []
        ]
        if not values or any(value is None for value in values):
            raise ValueError(
                f'a data sample has no {name}, which SSTL needs: {source} gives it '
                f"and PackActionInputs(meta_keys=('{name}', ...)) passes it on"
            )
        return torch.from_numpy(np.stack(values, 1).reshape(-1))

    def compare(
        self, inputs: torch.Tensor, data_samples: list, with_bank: bool
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Weighted losses and everything worth watching, for pairs of views.

        Args:
            inputs: ``[B, 2, C, T, H, W]``.
            data_samples: B samples with ``sample_idx``, ``temporal_position`` and
                ``playback_rate``, as far as the losses need them.
            with_bank: Read the bank and note what it is to learn; held-out videos are not in it.

        Raises:
            ValueError: When a sample does not hold two views, or does not say what is needed.
        """
        if inputs.ndim != 6 or inputs.shape[1] != 2:
            raise ValueError(
                'inputs must be [batch, 2 views, channels, frames, height, width], '
                f'got {tuple(inputs.shape)}: does the pipeline have RepeatClips '
                "(times=2) and end with FormatShape('NCTHW')?"
            )
        maps = self.backbone(inputs.transpose(0, 1).flatten(0, 1))  # all x, then all y
        pooled = maps.mean((2, 3, 4))
        losses, stats = {}, {'feature_std': feature_std(pooled.detach())}
        if self.rate_head is not None:
            rates = self.labels(data_samples, 'playback_rate', 'PlaybackRateDistortion')
            losses['rate'], found = playback_rate_loss(
                self.rate_head(maps), rates.to(pooled.device, torch.float32)
            )
            stats.update(found)
        if self.weights['clip'] or self.weights['video']:
            features = self.projector(pooled)
            stats['projection_std'] = feature_std(features.detach())
            videos = None
            if with_bank:
                videos = self.labels(data_samples, 'sample_idx', 'VideoListDataset').long()
                positions = self.labels(data_samples, 'temporal_position', 'TemporalRandomCrop')
                self._seen.append((videos, positions, features.detach().float()))
                if self.weights['video']:
                    losses['video'], found = clip_to_video_loss(
                        features, self.bank.video_features(videos).to(features.device)
                    )
                    stats.update(found)
                stats.update(self.bank.statistics())
            if self.weights['clip']:
                losses['clip'], found = self.contrast(features, videos)
                stats.update(found)
        return {name: self.weights[name] * loss for name, loss in losses.items()}, stats

    def contrast(self, features: torch.Tensor, videos: torch.Tensor | None):
        """Clip-to-clip loss of features ``[2 B, D]``; with the bank if their videos are known."""
        count = len(features) // 2
        groups, bank, valid = None, None, None
        if self.group_size is not None:
            if count % self.group_size:
                raise ValueError(
                    f'a batch of {count} clips is no whole number of groups of '
                    f'model.group_size={self.group_size}'
                )
            groups = torch.arange(count) // self.group_size
        if videos is not None:
            mine = videos[:count].to(features.device)
            if self.num_negatives:
                # of one process the numbers are on the CPU already: no waiting for the device
                spread = self.gather and get_world_size() > 1
                asked = (gather_rows(mine).cpu() if spread else videos[:count]).numpy()
                parts = (
                    [asked] if groups is None else np.split(asked, len(asked) // self.group_size)
                )
                bank, valid = self.bank.draw(self.num_negatives, parts)
                bank = bank.to(features.device)
                valid = None if groups is None else valid[groups].to(features.device)
            videos = mine
        return clip_to_clip_loss(
            features[:count],
            features[count:],
            self.temperature,
            videos,
            None if groups is None else groups.to(features.device),
            bank,
            valid,
            gather=self.gather and self.training,
        )

    @torch.no_grad()
    def update_bank(self) -> None:
        """Let the bank learn from the clips of all processes since the last optimizer step."""
        if self._seen:
            device = self._seen[0][2].device  # where the processes' back end can gather
            parts = [gather_rows(torch.cat(part).to(device)) for part in zip(*self._seen)]
            self._seen = []
            self.bank.update(*parts)

    def loss(self, inputs: torch.Tensor, data_samples: list, **kwargs) -> dict[str, torch.Tensor]:
        """The terms of Eq. (6), weighted (``loss_clip``, …), and the scalars to log, by name."""
        losses, stats = self.compare(inputs, data_samples, with_bank=self.bank is not None)
        return {**{f'loss_{name}': loss for name, loss in losses.items()}, **stats}

    def predict(self, inputs: torch.Tensor, data_samples: list, **kwargs) -> list:
        """Attach loss and figures, without the bank, to data samples, for held-out validation."""
        losses, stats = self.compare(inputs, data_samples, with_bank=False)
        stats = {
            name: value.item() for name, value in {'loss': sum(losses.values()), **stats}.items()
        }
        for sample in data_samples:
            sample.set_field(stats, 'ssl_stats')
        return data_samples
