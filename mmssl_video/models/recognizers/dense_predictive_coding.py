"""Dense predictive coding: DPC with an MLP predictor, MemDPC with a compressive memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import nn

from ..feature_std import feature_std
from .context_encoder import ContextEncoder


@MODELS.register_module()
class DensePredictiveCoding(ContextEncoder):
    """Predicts the feature maps of a video's last blocks from its first ones.

    DPC sections 3.1-3.2 and MemDPC sections 3.1-3.3. The context of the observed blocks gives the
    first prediction; each prediction is fed back to give the next (Eq. 3-4 of DPC). Targets are the
    encoder's maps before the ReLU; what the aggregation reads has passed a ReLU. With a
    bidirectional neck the reversed sequence of blocks is predicted as well, by the same predictor.

    Args:
        backbone: Config of the block encoder f.
        neck: Config of the aggregation g; ``bidirectional=True`` gives bidirectional MemDPC.
        predictor: Config of phi, any :class:`Predictor`.
        loss: Config of the contrastive loss.
        num_blocks: Number N of blocks of a clip.
        pred_steps: Number P of blocks that are predicted.
        prediction: ``'sequential'``, or ``'parallel'``: one predictor for each step, all from the
            same context ("remove Seq", DPC Table 1).
        feature_map: Keep maps; False contrasts one pooled vector a block ("remove Map").
        direction_reduction: ``'mean'`` of the two directions' losses as in the paper (section
            3.3) or their ``'sum'`` as in the released code.
        data_preprocessor: Config of the data preprocessor.

    Raises:
        ValueError: For values that contradict each other; the sentence says how to mend them.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        predictor: dict,
        loss: dict | None = None,
        num_blocks: int = 8,
        pred_steps: int = 3,
        prediction: str = 'sequential',
        feature_map: bool = True,
        direction_reduction: str = 'mean',
        data_preprocessor: dict | None = None,
    ):
        super().__init__(
            backbone, neck, feature_map=feature_map, data_preprocessor=data_preprocessor
        )
        if prediction not in ('sequential', 'parallel'):
            raise ValueError(
                f"model.prediction must be 'sequential' or 'parallel', not {prediction!r}"
            )
        if direction_reduction not in ('mean', 'sum'):
            raise ValueError(
                f"model.direction_reduction must be 'mean' or 'sum', not {direction_reduction!r}"
            )
        self.num_blocks = num_blocks
        self.prediction = prediction
        self.direction_reduction = direction_reduction
        self.contrastive_loss = MODELS.build(loss or dict(type='DenseInfoNCELoss'))
        self.max_pred_steps = num_blocks - 1 if prediction == 'sequential' else pred_steps
        self.set_pred_steps(pred_steps)
        if prediction == 'sequential':
            self.predictor = MODELS.build(predictor)
        else:
            self.predictor = nn.ModuleList(MODELS.build(predictor) for _ in range(pred_steps))
        phi = self._predictor_of(0)
        for name, got, needed in (
            ('in_channels', phi.in_channels, self.neck.hidden_channels),
            ('out_channels', phi.out_channels, self.neck.in_channels),
        ):
            if got != needed:
                raise ValueError(
                    f'predictor.{name} is {got} but the encoder needs {needed}: '
                    f'set predictor.{name}={needed}'
                )

    def set_pred_steps(self, pred_steps: int) -> None:
        """Change the number of predicted blocks; a curriculum does so between epochs.

        Raises:
            ValueError: When no block would be left to observe, or there is no predictor for a step.
        """
        if not isinstance(pred_steps, int) or not 1 <= pred_steps < self.num_blocks:
            raise ValueError(
                f'model.pred_steps={pred_steps!r} must be at least 1 and below '
                f'model.num_blocks={self.num_blocks}, so that a block is observed'
            )
        if pred_steps > self.max_pred_steps:
            raise ValueError(
                f'parallel prediction was built for {self.max_pred_steps} steps and '
                f'cannot predict {pred_steps}: set model.pred_steps={pred_steps}'
            )
        self.pred_steps = pred_steps

    def _predictor_of(self, step: int) -> nn.Module:
        return self.predictor if self.prediction == 'sequential' else self.predictor[step]

    def predict_future(self, observed: torch.Tensor, backward: bool = False) -> torch.Tensor:
        """Predict the next blocks, Eq. (3) and (4) of DPC; the pseudo-code of MemDPC.

        Args:
            observed: Features ``[B, N - P, D, h, w]`` of the observed blocks, before the ReLU, in
                the order of prediction.
            backward: Use the backward aggregation.

        Returns:
            Predicted features ``[B, P, D, h, w]``.
        """
        outputs, state = self.neck(F.relu(observed), backward=backward)
        context = outputs[:, -1]
        predictions = []
        for step in range(self.pred_steps):
            predictions.append(self._predictor_of(step)(context))
            if self.prediction == 'sequential' and step + 1 < self.pred_steps:
                outputs, state = self.neck(F.relu(predictions[-1])[:, None], state, backward)
                context = outputs[:, -1]
        return torch.stack(predictions, 1)

    def contrast(self, inputs: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss and everything worth watching for a batch of clips ``[B, N, C, T, H, W]``."""
        if inputs.ndim == 6 and inputs.shape[1] != self.num_blocks:
            raise ValueError(
                f'clips have {inputs.shape[1]} blocks but model.num_blocks is '
                f'{self.num_blocks}: make SplitBlocks.num_blocks equal to it'
            )
        features = self.encode(inputs)
        directions = ('forward', 'backward') if self.neck.bidirectional else ('forward',)
        losses, stats = [], {}
        for direction in directions:
            backward = direction == 'backward'
            sequence = features.flip(1) if backward else features
            observed, future = sequence.split(
                [self.num_blocks - self.pred_steps, self.pred_steps], 1
            )
            loss, metrics = self.contrastive_loss(self.predict_future(observed, backward), future)
            losses.append(loss)
            stats[f'{direction}/nce'] = loss.detach()
            stats.update({f'{direction}/{name}': value for name, value in metrics.items()})
        for name in metrics:
            values = [stats[f'{direction}/{name}'] for direction in directions]
            stats[name] = torch.stack(values).mean()
            if len(directions) == 1 or name == 'num_negatives':
                for direction in directions:
                    del stats[f'{direction}/{name}']
        stats['feature_std'] = feature_std(features.movedim(2, -1))
        for step in range(1 if self.prediction == 'sequential' else self.pred_steps):
            suffix = '' if self.prediction == 'sequential' else f'_{step + 1}'
            stats.update(
                {
                    name + suffix: value
                    for name, value in self._predictor_of(step).statistics().items()
                }
            )
        loss = torch.stack(losses)
        return loss.mean() if self.direction_reduction == 'mean' else loss.sum(), stats

    def loss(self, inputs: torch.Tensor, data_samples=None, **kwargs) -> dict[str, torch.Tensor]:
        """The loss to minimise (``loss_ssl``) and the scalars to log, by name."""
        loss, stats = self.contrast(inputs)
        return {'loss_ssl': loss, **stats}

    def predict(self, inputs: torch.Tensor, data_samples: list, **kwargs) -> list:
        """Attach the batch's loss and accuracies to its data samples, for held-out validation."""
        loss, stats = self.contrast(inputs)
        stats = {name: value.item() for name, value in {'loss': loss, **stats}.items()}
        for sample in data_samples:
            sample.set_field(stats, 'ssl_stats')
        return data_samples
