"""BYOL for video, and FGKVMemPred: a clip's features predict the target encoder's of another."""

from __future__ import annotations

from typing import Any

import torch
from mmaction.registry import MODELS

from ..feature_std import feature_std
from ..losses.precision import at_least_float32
from ..target_encoder import MomentumTarget, check_momentum, target_copy
from .older_settings import upgrade_byol
from .self_supervised import MemoryView, SampleNeeds, SelfSupervisedRecognizer, check_widths


@MODELS.register_module()
class BYOL(MomentumTarget, SelfSupervisedRecognizer):
    """Online and momentum encoder, a predictor, and perhaps a concept head (FGKVMemPred section 3).

    Each of two clips of a video is the query once: the online encoder's projection of it, passed
    through the predictor, shall resemble the target encoder's projection of the other clip
    (Eq. 1 with an :class:`MLPPredictor`, the baseline rho-BYOL; Eq. 4 with a
    :class:`KeyValueMemory`). The target encoder is a moving average of the online one, without
    gradient (:class:`MomentumTarget`).

    Args:
        backbone: Config of the encoder f; its keys pass to classifiers as they are.
        projector: Config of g, such as :class:`ProjectionMLP`.
        predictor: Config of any :class:`Predictor`.
        concepts: Config of :class:`ConceptDictionaries`; None for BYOL and KVMemPred.
        losses: ``prediction`` of projections ``[B, D]``; with ``concepts`` also ``reconstruction``
            and ``alignment`` (Eq. 9).
        base_momentum: lambda at the start, from where it rises to 1 (section 4.1).
        view_reduction: ``'sum'`` of the two queries' losses as released, or their ``'mean'``.
        data_preprocessor: Config of the data preprocessor.

    Raises:
        ValueError: For widths that do not fit each other, or an unknown option.
    """

    LOSSES = dict(
        prediction=dict(type='CosinePredictionLoss'),
        reconstruction=dict(type='ConceptReconstructionLoss'),
        alignment=dict(type='ConceptAlignmentLoss'),
    )
    NEEDS = SampleNeeds(
        num_clips=2, min_batch=2, advice="SampleWindow.num_windows=2 and mode='random' or 'uniform'"
    )

    def __init__(
        self,
        backbone: dict,
        projector: dict,
        predictor: dict,
        concepts: dict | None = None,
        losses: dict | None = None,
        base_momentum: float = 0.996,
        view_reduction: str = 'sum',
        data_preprocessor: dict | None = None,
    ):
        without = ('reconstruction', 'alignment') if concepts is None else ()
        super().__init__(backbone, losses, data_preprocessor, without)
        if view_reduction not in ('sum', 'mean'):
            raise ValueError(
                f"model.view_reduction must be 'sum' or 'mean', not {view_reduction!r}"
            )
        self.base_momentum = self.momentum = check_momentum(base_momentum)
        self.view_reduction = view_reduction
        self.projector = MODELS.build(projector)
        self.predictor = MODELS.build(predictor)
        self.concepts: Any = None if concepts is None else MODELS.build(concepts)
        width, code = getattr(self.backbone, 'out_channels', None), self.projector.out_channels
        widths = [
            ('projector.in_channels', self.projector.in_channels, width),
            ('predictor.in_channels', self.predictor.in_channels, code),
            ('predictor.out_channels', self.predictor.out_channels, code),
        ]
        if self.concepts is not None:
            widths += [
                ('concepts.in_channels', self.concepts.in_channels, code),
                ('concepts.feature_channels', self.concepts.feature_channels, width),
            ]
            self.concepts.freeze_unused('reconstruction' in self.losses, 'alignment' in self.losses)
        check_widths(widths)
        if 'prediction' not in self.losses:
            self.predictor.requires_grad_(False)
        self.target_backbone = target_copy(self.backbone)
        self.target_projector = target_copy(self.projector)

    @classmethod
    def needs(cls, model) -> SampleNeeds:
        return cls.NEEDS

    @classmethod
    def upgrade(cls, model) -> dict:
        return upgrade_byol(model)

    def target_pairs(self):
        return (self.backbone, self.target_backbone), (self.projector, self.target_projector)

    def after_step(self, progress: float) -> None:
        """Move the target encoder and the concepts' centre."""
        super().after_step(progress)
        if self.concepts is not None:
            self.concepts.update_centre()

    def encode(self, clips: torch.Tensor, backbone=None) -> torch.Tensor:
        """Pooled features y ``[B, d]`` of clips ``[B, C, T, H, W]``."""
        return (backbone or self.backbone)(clips).mean((2, 3, 4))

    def extract_feat(self, inputs: torch.Tensor, **kwargs) -> torch.Tensor:
        """What is judged, ``[B, d]``: y of clips ``[B, N, C, T, H, W]``, averaged over N."""
        return self.encode(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2]).mean(1)

    def compute(self, inputs, data_samples=None):
        """Losses and everything worth watching for pairs of clips ``[B, 2, C, T, H, W]``."""
        self.check_clips(inputs, 2, self.NEEDS.advice)
        clips = inputs.unbind(1)
        with torch.no_grad():
            keys = [self.encode(clip, self.target_backbone) for clip in clips]
            targets = [at_least_float32(self.target_projector(key)) for key in keys]
        terms, figures = [], []
        for query, clip in enumerate(clips):
            losses, stats = self.compare(self.encode(clip), keys[1 - query], targets[1 - query])
            terms.append(losses)
            figures.append(stats)
        reduce = torch.sum if self.view_reduction == 'sum' else torch.mean
        losses = {name: reduce(torch.stack([part[name] for part in terms])) for name in terms[0]}
        stats = {name: torch.stack([part[name] for part in figures]).mean() for name in figures[0]}
        stats.update(self.predictor.statistics())
        stats['momentum'] = targets[0].new_tensor(self.momentum)
        return losses, stats

    def compare(self, features: torch.Tensor, key: torch.Tensor, target: torch.Tensor):
        """Losses and figures of one query.

        Args:
            features: y of the query's clips, ``[B, d]``.
            key, target: y and projection of the other clips, by the target encoder.
        """
        losses, stats = {}, {}
        projection = self.projector(features)
        if 'prediction' in self.losses:
            predicted = at_least_float32(self.predictor(projection))
            losses['prediction'], stats = self.losses['prediction'](predicted, target)
        stats['cosine/online'] = torch.cosine_similarity(
            at_least_float32(projection.detach()), target, dim=1
        ).mean()
        if len(features) > 1:  # the last batch of a validation may be a single video
            stats['feature_std'] = feature_std(features)
        if self.concepts is not None:
            concept_losses, concept_stats = self.compare_concepts(projection, target, features, key)
            losses.update(concept_losses)
            stats.update(concept_stats)
        return losses, stats

    def compare_concepts(self, projection, target, features, key):
        """Losses and figures of the concepts, Eq. (5) to (9); arguments as in :meth:`compare`."""
        losses, stats, codes = {}, {}, self.concepts(projection, target)
        if 'reconstruction' in self.losses:
            losses['reconstruction'], figures = self.losses['reconstruction'](
                self.concepts.rebuild(codes), torch.stack([features, key])
            )
            stats.update(figures)
        if 'alignment' in self.losses:
            losses['alignment'], figures = self.losses['alignment'](
                *codes, centre=self.concepts.centre
            )
            stats.update(figures)
        if self.training:
            self.concepts.note(codes[1])
        stats['concepts/centre_norm'] = self.concepts.centre.norm()
        return losses, stats

    def feature_levels(self) -> dict[str, str]:
        """``projection``: what the projector makes of the averaged backbone."""
        return dict(projection='projector')

    def memory_view(self) -> MemoryView:
        """Of the first clip of each window, by both encoders."""
        if self.predictor.slots is None:
            return super().memory_view()

        def parts(inputs):
            clips = inputs[:, 0]
            online, momentum = self.encode(clips), self.encode(clips, self.target_backbone)
            projection = self.projector(online)
            shown = dict(
                slots=self.predictor.addresses(projection),
                target=self.target_projector(momentum),
                online=online,
                momentum=momentum,
            )
            if 'alignment' in self.losses:
                codes = self.concepts.codes(projection, self.concepts.online_concepts)
                shown['concepts'] = (codes / self.losses['alignment'].online_temperature).softmax(1)
            return shown

        return MemoryView(self.predictor.slots, parts)
