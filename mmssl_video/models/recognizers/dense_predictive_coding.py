"""Dense predictive coding: DPC with an MLP predictor, MemDPC with a compressive memory."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import nn

from ..feature_std import feature_std
from ..target_encoder import MomentumTarget, check_momentum, target_copy
from .block_prediction import BlockPrediction
from .context_encoder import ContextEncoder
from .older_settings import upgrade_dense_predictive_coding
from .self_supervised import SampleNeeds, SelfSupervisedRecognizer, check_widths


@MODELS.register_module()
class DensePredictiveCoding(
    BlockPrediction, MomentumTarget, ContextEncoder, SelfSupervisedRecognizer
):
    """Predicts the feature maps of a video's last blocks from its first ones.

    DPC sections 3.1-3.2 and MemDPC sections 3.1-3.3. The context of the observed blocks gives the
    first prediction; each prediction is fed back to give the next (Eq. 3-4 of DPC). Targets are the
    encoder's maps before the ReLU; what the aggregation reads has passed a ReLU. With a
    bidirectional neck the reversed sequence of blocks is predicted as well, by the same predictor.

    Args:
        backbone: Config of the block encoder f.
        neck: Config of the aggregation g; ``bidirectional=True`` gives bidirectional MemDPC.
        predictor: Config of phi, any :class:`Predictor`.
        losses: ``prediction`` of maps ``[B, P, D, h, w]``.
        num_blocks: Number N of blocks of a clip.
        pred_steps: Number P of blocks that are predicted.
        prediction: ``'sequential'``, or ``'parallel'``: one predictor for each step, all from the
            same context ("remove Seq", DPC Table 1).
        feature_map: Keep maps; False contrasts one pooled vector a block ("remove Map").
        direction_reduction: ``'mean'`` of the two directions' losses as in the paper (section
            3.3) or their ``'sum'`` as in the released code.
        target: What is predicted: features of the ``'online'`` encoder (the papers'), of the same
            ``'detached'``, or of a ``'momentum'`` encoder. Without negatives the first collapses.
        base_momentum: lambda of the momentum encoder at the start, from where it rises to 1.
        data_preprocessor: Config of the data preprocessor.

    Raises:
        ValueError: For values that contradict each other; the sentence says how to mend them.
    """

    LOSSES = dict(prediction=dict(type='DenseInfoNCELoss'))

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        predictor: dict,
        losses: dict | None = None,
        num_blocks: int = 8,
        pred_steps: int = 3,
        prediction: str = 'sequential',
        feature_map: bool = True,
        direction_reduction: str = 'mean',
        target: str = 'online',
        base_momentum: float = 0.996,
        data_preprocessor: dict | None = None,
    ):
        super().__init__(
            backbone,
            neck,
            feature_map=feature_map,
            data_preprocessor=data_preprocessor,
            losses=losses,
        )
        for name, value, choices in (
            ('prediction', prediction, ('sequential', 'parallel')),
            ('direction_reduction', direction_reduction, ('mean', 'sum')),
            ('target', target, ('online', 'detached', 'momentum')),
        ):
            if value not in choices:
                raise ValueError(f'model.{name} must be one of {choices}, not {value!r}')
        self.num_blocks = num_blocks
        self.prediction = prediction
        self.direction_reduction = direction_reduction
        self.max_pred_steps = num_blocks - 1 if prediction == 'sequential' else pred_steps
        self.set_pred_steps(pred_steps)
        if prediction == 'sequential':
            self.predictor = MODELS.build(predictor)
        else:
            self.predictor = nn.ModuleList(MODELS.build(predictor) for _ in range(pred_steps))
        phi = self.predictor_of(0)
        check_widths(
            [
                ('predictor.in_channels', phi.in_channels, self.neck.hidden_channels),
                ('predictor.out_channels', phi.out_channels, self.neck.in_channels),
            ]
        )
        self.target = target
        self.base_momentum = self.momentum = check_momentum(base_momentum)
        if target == 'momentum':
            self.target_backbone = target_copy(self.backbone)

    def predict_future(self, observed: torch.Tensor, backward: bool = False) -> torch.Tensor:
        """Predict the next blocks, Eq. (3) and (4) of DPC; the pseudo-code of MemDPC.

        Args:
            observed: Features ``[B, N - P, D, h, w]`` of the observed blocks, before the ReLU, in
                the order of prediction.
            backward: Use the backward aggregation.

        Returns:
            Predicted features ``[B, P, D, h, w]``.
        """
        return self.roll_out(observed, backward)[0]

    def roll_out(self, observed, backward=False):
        """Predictions ``[B, P, D, h, w]`` and the contexts ``[B, P, C, h, w]`` they are made of."""
        outputs, state = self.neck(F.relu(observed), backward=backward)
        context = outputs[:, -1]
        contexts, predictions = [], []
        for step in range(self.pred_steps):
            contexts.append(context)
            predictions.append(self.predictor_of(step)(context))
            if self.prediction == 'sequential' and step + 1 < self.pred_steps:
                outputs, state = self.neck(F.relu(predictions[-1])[:, None], state, backward)
                context = outputs[:, -1]
        return torch.stack(predictions, 1), torch.stack(contexts, 1)

    def compute(self, inputs, data_samples=None):
        """Loss and everything worth watching for a batch of clips ``[B, N, C, T, H, W]``."""
        if inputs.ndim == 6 and inputs.shape[1] != self.num_blocks:
            raise ValueError(
                f'clips have {inputs.shape[1]} blocks but model.num_blocks is '
                f'{self.num_blocks}: make SplitBlocks.num_blocks equal to it'
            )
        features = self.encode(inputs)
        targets = self._targets(features, inputs)
        directions = ('forward', 'backward') if self.neck.bidirectional else ('forward',)
        compare, seen = self.losses['prediction'], self.num_blocks - self.pred_steps
        losses, stats = [], {}
        for direction in directions:
            backward = direction == 'backward'
            observed = (features.flip(1) if backward else features)[:, :seen]
            future = (targets.flip(1) if backward else targets)[:, seen:]
            loss, metrics = compare(self.predict_future(observed, backward), future)
            losses.append(loss)
            stats[f'{direction}/{compare.label}'] = loss.detach()
            stats.update({f'{direction}/{name}': value for name, value in metrics.items()})
        for name in metrics:
            values = [stats[f'{direction}/{name}'] for direction in directions]
            stats[name] = torch.stack(values).mean()
            if len(directions) == 1 or name == 'num_negatives':
                for direction in directions:
                    del stats[f'{direction}/{name}']
        stats['feature_std'] = feature_std(features.movedim(2, -1))
        if len(features) > 1:  # without negatives, features may tell places apart but no clips
            stats['clip_std'] = feature_std(features.mean((1, 3, 4)))
        if self.target == 'momentum':
            stats['momentum'] = losses[0].new_tensor(self.momentum)
        for step in range(1 if self.prediction == 'sequential' else self.pred_steps):
            suffix = '' if self.prediction == 'sequential' else f'_{step + 1}'
            figures = self.predictor_of(step).statistics()
            stats.update({name + suffix: value for name, value in figures.items()})
        both = torch.stack(losses)
        return dict(
            prediction=both.mean() if self.direction_reduction == 'mean' else both.sum()
        ), stats

    def guessing_loss(self, stats):
        if 'num_negatives' not in stats:
            return None
        terms = 2 if self.neck.bidirectional and self.direction_reduction == 'sum' else 1
        guess = math.log1p(stats['num_negatives'])
        return terms * self.losses['prediction'].weight * guess  # type: ignore[operator]

    def _targets(self, features, inputs):
        if self.target == 'momentum':
            with torch.no_grad():
                return self.encode(inputs, self.target_backbone)
        return features if self.target == 'online' else features.detach()

    def target_pairs(self):
        return [(self.backbone, self.target_backbone)] if self.target == 'momentum' else []

    @classmethod
    def follows_steps(cls, model) -> bool:
        return model.get('target') == 'momentum'

    @classmethod
    def needs(cls, model) -> SampleNeeds:
        blocks = model.get('num_blocks', 8)
        return SampleNeeds(num_blocks=blocks, advice=f'SplitBlocks.num_blocks={blocks}')

    @classmethod
    def upgrade(cls, model) -> dict:
        return upgrade_dense_predictive_coding(model)
