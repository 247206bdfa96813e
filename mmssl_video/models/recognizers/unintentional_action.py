"""Unintentional actions from the true and the predicted feature of every step."""

from __future__ import annotations

import torch
from mmaction.registry import MODELS
from torch import nn

from .classifier import EncoderClassifier
from .context_encoder import ContextEncoder, predict_steps


@MODELS.register_module()
class UnintentionalActionClassifier(EncoderClassifier, ContextEncoder):
    """Classifies every step as intentional, transitioning or unintentional.

    MemDPC sections 4 and 5.7, appendix B. At step t >= 2 the feature z_t of the block and the
    feature z_hat_t predicted from the blocks before it are concatenated, averaged over space and
    given to a linear classifier xi. The encoder and phi are those of
    :class:`DensePredictiveCoding` in one direction, under the same keys, so that its checkpoints
    load without renaming.

    Args:
        backbone: Config of the block encoder f.
        neck: Config of the aggregation g; of a bidirectional one the forward direction is used.
        predictor: Config of phi, any :class:`Predictor`.
        cls_head: Config of xi, a head on vectors such as :class:`ContextHead`.
        num_blocks: Number N of blocks of a window.
        frozen: Train xi only ("linear probe"): backbone, neck and predictor keep every bit of
            their parameters and buffers and work as in evaluation. False trains everything.
        norm_eval: See :meth:`EncoderClassifier.attach_head`.
        feature_map: See :class:`ContextEncoder`.
        max_views: Windows of a video that are in the network at once, at test time.
        data_preprocessor: Config of the data preprocessor.

    Raises:
        ValueError: Parts that do not fit; the sentence says how to mend it.
    """

    #: What an encoder from a checkpoint is rebuilt with, whatever it was trained as.
    ENCODER_SETTINGS = {'neck.bidirectional': False}

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        predictor: dict,
        cls_head: dict,
        num_blocks: int = 8,
        frozen: bool = True,
        norm_eval: bool = True,
        feature_map: bool = True,
        max_views: int = 16,
        data_preprocessor: dict | None = None,
    ):
        super().__init__(
            backbone,
            dict(neck, bidirectional=False),
            feature_map=feature_map,
            data_preprocessor=data_preprocessor,
        )
        self.predictor = MODELS.build(predictor)
        for name, needed in (
            ('in_channels', self.neck.hidden_channels),
            ('out_channels', self.neck.in_channels),
        ):
            if getattr(self.predictor, name) != needed:
                raise ValueError(
                    f'predictor.{name} is {getattr(self.predictor, name)} but the '
                    f'encoder needs {needed}: set predictor.{name}={needed}'
                )
        self.num_blocks = num_blocks
        self.attach_head(cls_head, 2 * self.neck.in_channels, frozen, norm_eval, max_views)

    @property
    def encoder_parts(self) -> list[nn.Module]:
        """What is frozen: backbone, neck and predictor."""
        return [self.backbone, self.neck, self.predictor]

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Concatenated features of steps 2 .. N of all windows.

        Args:
            inputs: ``[B, W * N, C, T, H, W]``, normalised: W windows of N blocks.

        Returns:
            ``[B * W, N - 1, 2 D]``: z_t, then z_hat_t.

        Raises:
            ValueError: The blocks are no whole number of windows.
        """
        if inputs.ndim != 6 or inputs.shape[1] % self.num_blocks:
            raise ValueError(
                f'inputs must hold a multiple of model.num_blocks={self.num_blocks} '
                f'blocks in dimension 1, got {tuple(inputs.shape)}'
            )
        windows = inputs.unflatten(1, (-1, self.num_blocks)).flatten(0, 1)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return torch.cat(self.predict_steps(windows), 2).mean((-2, -1))

    def predict_steps(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """True and predicted feature of every block but the first, ``[B, N - 1, D, h, w]``."""
        return predict_steps(self, self.predictor, inputs)

    def step_scores(self, inputs: torch.Tensor) -> torch.Tensor:
        """Class scores (logits) of :meth:`features`, ``[B * W, N - 1, classes]``."""
        features = self.features(inputs)
        return self.cls_head(features.flatten(0, 1)).unflatten(0, features.shape[:2])

    def loss(self, inputs: torch.Tensor, data_samples: list, **kwargs) -> dict[str, torch.Tensor]:
        """Cross entropy of all labelled steps, their accuracy and the share of transitioning ones.

        Labels are those of :class:`LabelUnintentionalSteps`: ``gt_label`` ``[W * N]``, of which -1
        is left out.
        """
        scores = self.step_scores(inputs).flatten(0, 1)
        labels = torch.stack([sample.gt_label for sample in data_samples]).to(scores.device)
        labels = labels.unflatten(1, (-1, self.num_blocks))[..., 1:].flatten()
        scores, labels = scores[labels >= 0], labels[labels >= 0]
        if not len(labels):  # a batch of padding only: nothing to learn, and no mean to take
            return {'loss_cls': scores.sum()}
        return {
            'loss_cls': self.cls_head.loss_cls(scores, labels),
            'top1_acc': (scores.argmax(1) == labels).float().mean(),
            'transitioning_share': (labels == 1).float().mean(),
        }

    def predict(self, inputs: torch.Tensor, data_samples: list, **kwargs) -> list:
        """Attach ``step_scores`` ``[W, N - 1, classes]``, probabilities of steps 2 .. N."""
        scores = self.step_scores(inputs).softmax(-1)
        for sample, steps in zip(data_samples, scores.unflatten(0, (len(data_samples), -1))):
            sample.set_field(steps, 'step_scores')
        return data_samples

    def test_step(self, data: dict) -> list:
        """Predict videos of raw frames one by one, at most ``max_views`` windows at a time.

        Args:
            data: ``inputs``, list of ``[W * N, C, T, H, W]``, 0 to 255, and ``data_samples``.

        Returns:
            The data samples with ``step_scores``, see :meth:`predict`.
        """
        for frames, sample in zip(data['inputs'], data['data_samples']):
            scores = []
            for part in frames.unflatten(0, (-1, self.num_blocks)).split(self.max_views):
                batch = self.data_preprocessor(dict(inputs=list(part), data_samples=None))
                scores.append(self.step_scores(batch['inputs']).softmax(-1))
            sample.set_field(torch.cat(scores), 'step_scores')
        return data['data_samples']
