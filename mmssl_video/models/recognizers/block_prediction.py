"""What can be asked of a model that predicts blocks, beside its loss."""

from __future__ import annotations

import torch

from ..heads.predictor import Predictor
from .context_encoder import ContextEncoder, predict_steps
from .prediction_schedule import prediction_stages, steps_at
from .self_supervised import MemoryView, SelfSupervisedRecognizer


class BlockPrediction(ContextEncoder, SelfSupervisedRecognizer):
    """Mixin of :class:`DensePredictiveCoding`: its curriculum, shortcuts, surprise and memory."""

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

    def predictor_of(self, step: int) -> Predictor:
        """The predictor of a step, counted from 0."""
        return self.predictor if self.prediction == 'sequential' else self.predictor[step]

    @classmethod
    def settings_at(cls, trained, epoch: int) -> dict:
        """The ``pred_steps`` of an epoch, where :class:`PredictionStepsHook` changes them."""
        for hook in trained.get('custom_hooks') or []:
            if str(hook.get('type')).split('.')[-1] == 'PredictionStepsHook':
                return dict(pred_steps=steps_at(prediction_stages(hook.get('schedule')), epoch))
        return {}

    @property
    def observed_blocks(self) -> int:
        """Blocks that the training's first prediction rests on."""
        return max(self.num_blocks - self.pred_steps, 1)

    def predict_steps(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """True and predicted feature of every block but the first, see :func:`predict_steps`."""
        # of parallel predictors (DPC's "remove Seq.") the first one predicts the next block
        return predict_steps(self, self.predictor_of(0), inputs)

    @torch.no_grad()
    def reference_levels(self, clip: torch.Tensor, batch_size: int) -> dict[str, float]:
        """Top-1 that guessing and two shortcuts reach, where the loss contrasts.

        Candidates are all places of all predicted blocks of all clips of a batch. Who recognises
        the clip alone is right once in (steps x places); who knows clip and place but not the time,
        once in steps.
        """
        if not self.losses['prediction'].contrasts:
            return {}
        training, device = self.training, next(self.parameters()).device
        places = self.eval().encode(torch.zeros(1, *clip.shape, device=device))[0, 0, 0].numel()
        self.train(training)
        return {
            'chance': 1 / (batch_size * self.pred_steps * places),
            'knows only the clip': 1 / (self.pred_steps * places),
            'knows clip and place, not time': 1 / self.pred_steps,
        }

    def memory_view(self) -> MemoryView:
        """Slots are averaged over all predicted steps and places, the features over all blocks."""
        if self.prediction == 'parallel' or self.predictor.slots is None:
            return super().memory_view()

        def parts(inputs):
            features = self.encode(inputs)
            contexts = self.roll_out(features[:, : -self.pred_steps])[1].movedim(2, -1)
            slots = self.predictor.addresses(contexts).flatten(1, -2).mean(1)
            return dict(slots=slots, target=features.mean((1, 3, 4)))

        return MemoryView(self.predictor.slots, parts)
