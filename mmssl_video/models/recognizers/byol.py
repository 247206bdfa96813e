"""BYOL for video, and FGKVMemPred: a clip's features predict the target encoder's of another."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from mmaction.models.recognizers import BaseRecognizer
from mmaction.registry import MODELS

from ..feature_std import feature_std
from ..losses.precision import at_least_float32


@MODELS.register_module()
class BYOL(BaseRecognizer):
    """Online and momentum encoder, a predictor, and perhaps a concept head (FGKVMemPred section 3).

    Each of two clips of a video is the query once: the online encoder's projection of it, passed
    through the predictor, shall resemble the target encoder's projection of the other clip
    (Eq. 1 with an :class:`MLPPredictor`, the baseline rho-BYOL; Eq. 4 with a
    :class:`KeyValueMemory`). The target encoder is a moving average of the online one, without
    gradient; :class:`MomentumUpdateHook` moves it after each optimizer step. Only parameters are
    averaged: in training the target's batch norm uses the statistics of its own batch.

    Args:
        backbone: Config of the encoder f; its keys pass to classifiers as they are.
        projector: Config of g, such as :class:`ProjectionMLP`.
        predictor: Config of any :class:`Predictor`.
        concepts: Config of :class:`ConceptDictionaries`; None for BYOL and KVMemPred.
        base_momentum: lambda at the start, from where it rises to 1 (section 4.1).
        loss_scale: Factor of the negative cosine: 1 in the paper, 2 as released (T = 0.5).
        view_reduction: ``'sum'`` of the two queries' losses as released, or their ``'mean'``.
        data_preprocessor: Config of the data preprocessor.

    Raises:
        ValueError: For widths that do not fit each other, or an unknown option.
    """

    def __init__(
        self,
        backbone: dict,
        projector: dict,
        predictor: dict,
        concepts: dict | None = None,
        base_momentum: float = 0.996,
        loss_scale: float = 1.0,
        view_reduction: str = 'sum',
        data_preprocessor: dict | None = None,
    ):
        super().__init__(
            backbone,
            data_preprocessor=MODELS.build(
                data_preprocessor or dict(type='ActionDataPreprocessor')
            ),
        )
        if view_reduction not in ('sum', 'mean'):
            raise ValueError(
                f"model.view_reduction must be 'sum' or 'mean', not {view_reduction!r}"
            )
        if not 0 <= base_momentum <= 1:
            raise ValueError(f'model.base_momentum must lie in [0, 1], not {base_momentum!r}')
        self.projector = MODELS.build(projector)
        self.predictor = MODELS.build(predictor)
        self.concepts = None if concepts is None else MODELS.build(concepts)
        width, code = getattr(self.backbone, 'out_channels', None), self.projector.out_channels
        pairs = [
            ('projector.in_channels', self.projector.in_channels, width),
            ('predictor.in_channels', self.predictor.in_channels, code),
            ('predictor.out_channels', self.predictor.out_channels, code),
        ]
        if self.concepts is not None:
            pairs += [
                ('concepts.in_channels', self.concepts.in_channels, code),
                ('concepts.feature_channels', self.concepts.feature_channels, width),
            ]
        for name, got, needed in pairs:
            if needed is not None and got != needed:
                raise ValueError(
                    f'{name} is {got} but what it reads has {needed} channels: set {name}={needed}'
                )
        self.base_momentum, self.loss_scale = base_momentum, loss_scale
        self.view_reduction = view_reduction
        self.momentum = base_momentum  # of the last update; what the log shows
        self.target_backbone = copy.deepcopy(self.backbone).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)

    def init_weights(self) -> None:
        """Initialise all weights; the target encoder begins as a copy of the online one."""
        super().init_weights()
        self.update_target(0.0)

    @torch.no_grad()
    def update_target(self, momentum: float) -> None:
        """``theta_m <- momentum theta_m + (1 - momentum) theta`` (section 3.1); 0 copies.

        What else follows an optimizer step, the concepts' centre, is moved as well.
        """
        self.momentum = momentum
        for online, target in (
            (self.backbone, self.target_backbone),
            (self.projector, self.target_projector),
        ):
            for new, old in zip(online.parameters(), target.parameters()):
                old.lerp_(new, 1 - momentum)
        if self.concepts is not None:
            self.concepts.update_centre()

    def encode(self, clips: torch.Tensor, backbone=None) -> torch.Tensor:
        """Pooled features y ``[B, d]`` of clips ``[B, C, T, H, W]``."""
        return (backbone or self.backbone)(clips).mean((2, 3, 4))

    def extract_feat(self, inputs: torch.Tensor, **kwargs) -> torch.Tensor:
        """The representation that is judged: y, averaged over the N clips of a sample.

        Args:
            inputs: ``[B, N, C, T, H, W]``, normalised.

        Returns:
            ``[B, d]``.
        """
        return self.encode(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2]).mean(1)

    def _forward(self, inputs: torch.Tensor, **kwargs) -> torch.Tensor:
        return self.extract_feat(inputs)

    def compare(self, inputs: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss and everything worth watching for pairs of clips ``[B, 2, C, T, H, W]``.

        Raises:
            ValueError: When a sample does not hold two clips.
        """
        if inputs.ndim != 6 or inputs.shape[1] != 2:
            raise ValueError(
                'inputs must be [batch, 2 clips, channels, frames, height, width], '
                f'got {tuple(inputs.shape)}: does the pipeline sample two windows '
                "(SampleWindow num_windows=2) and end with FormatShape('NCTHW')?"
            )
        clips = inputs.unbind(1)
        with torch.no_grad():
            keys = [self.encode(clip, self.target_backbone) for clip in clips]
            targets = [at_least_float32(self.target_projector(key)) for key in keys]
        losses, parts = [], []
        for query, clip in enumerate(clips):
            features = self.encode(clip)
            projection = self.projector(features)
            predicted, target = at_least_float32(self.predictor(projection)), targets[1 - query]
            cosine = F.cosine_similarity(predicted, target, dim=1).mean()
            loss = -self.loss_scale * cosine
            stats = {
                'cosine/predicted': cosine.detach(),
                'cosine/online': F.cosine_similarity(
                    at_least_float32(projection.detach()), target, dim=1
                ).mean(),
            }
            if len(clip) > 1:  # the last batch of a validation may be a single video
                stats['feature_std'] = feature_std(features)
            if self.concepts is not None:
                concept_loss, concept_stats = self.concepts(
                    projection, target, features, keys[1 - query]
                )
                loss = loss + concept_loss
                stats.update(concept_stats)
            losses.append(loss)
            parts.append(stats)
        stats = {name: torch.stack([part[name] for part in parts]).mean() for name in parts[0]}
        stats.update(self.predictor.statistics())
        losses = torch.stack(losses)
        stats['momentum'] = losses.new_tensor(self.momentum)
        return losses.sum() if self.view_reduction == 'sum' else losses.mean(), stats

    def loss(self, inputs: torch.Tensor, data_samples=None, **kwargs) -> dict[str, torch.Tensor]:
        """The loss to minimise (``loss_ssl``, Eq. 10) and the scalars to log, by name."""
        loss, stats = self.compare(inputs)
        return {'loss_ssl': loss, **stats}

    def predict(self, inputs: torch.Tensor, data_samples: list, **kwargs) -> list:
        """Attach the batch's loss and figures to its data samples, for held-out validation."""
        loss, stats = self.compare(inputs)
        stats = {name: value.item() for name, value in {'loss': loss, **stats}.items()}
        for sample in data_samples:
            sample.set_field(stats, 'ssl_stats')
        return data_samples
