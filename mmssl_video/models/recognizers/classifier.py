"""What every classifier on top of an encoder shares: its head, freezing, and many test views."""

from __future__ import annotations

import torch
from mmaction.models.recognizers import BaseRecognizer
from mmaction.registry import MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class EncoderClassifier(BaseRecognizer):
    """An encoder, a head on its pooled feature, and views averaged at test time.

    A subclass has ``extract_feat``, ``[B, N, C, T, H, W]`` to ``[B, D]`` for windows of
    ``num_blocks`` blocks, and calls :meth:`attach_head` at the end of its ``__init__``.
    """

    num_blocks = 1

    def attach_head(
        self, cls_head: dict, width: int | None, frozen: bool, norm_eval: bool, max_views: int
    ) -> None:
        """Build the head for the encoder's width and freeze the encoder if asked.

        Args:
            cls_head: Config of the head; ``in_channels`` may be left out.
            width: Width D of the feature; None where it is unknown.
            frozen: Train the head only. The encoder then runs in evaluation mode and without
                gradients: not a bit of its parameters and buffers changes.
            norm_eval: With ``frozen``: False lets BatchNorm alone work as in training, with batch
                statistics, so that its running statistics follow the new data. The released
                FGKVMemPred's linear probe does so.
            max_views: Most windows of a video that are in the network at once, at test time.

        Raises:
            ValueError: The head is of another width, or the width is not known.
        """
        head = dict(cls_head)
        given = head.setdefault('in_channels', width)
        if given is None:
            raise ValueError(
                f'{type(self.backbone).__name__} does not say how many channels it '
                'gives: set model.cls_head.in_channels'
            )
        if width not in (None, given):
            raise ValueError(
                f'cls_head.in_channels is {given} but the context has {width} '
                f'channels: set cls_head.in_channels={width}, or leave it out'
            )
        if max_views < 1:
            raise ValueError(f'model.max_views must be at least 1, not {max_views}')
        self.cls_head = MODELS.build(head)
        self.frozen, self.norm_eval, self.max_views = frozen, norm_eval, max_views
        if frozen:
            for part in self.encoder_parts:
                part.requires_grad_(False)

    @property
    def encoder_parts(self) -> list[nn.Module]:
        """Backbone and neck."""
        return [self.backbone, self.neck] if self.with_neck else [self.backbone]

    def train(self, mode: bool = True) -> EncoderClassifier:
        """Switch the mode; a frozen encoder stays in evaluation mode (see :meth:`attach_head`)."""
        super().train(mode)
        if mode and self.frozen:
            for part in self.encoder_parts:
                part.eval()
                for module in part.modules():
                    if isinstance(module, _BatchNorm) and not self.norm_eval:
                        module.train()
        return self

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Features of all windows and crops.

        Args:
            inputs: ``[B, V * N, C, T, H, W]``, normalised: V views of N blocks.

        Returns:
            ``[B * V, D]``.

        Raises:
            ValueError: The blocks are no whole number of windows.
        """
        if inputs.ndim != 6 or inputs.shape[1] % self.num_blocks:
            raise ValueError(
                f'inputs must hold a multiple of model.num_blocks={self.num_blocks} '
                f'blocks in dimension 1, got {tuple(inputs.shape)}'
            )
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.extract_feat(inputs.unflatten(1, (-1, self.num_blocks)).flatten(0, 1))

    def loss(self, inputs: torch.Tensor, data_samples: list, **kwargs) -> dict[str, torch.Tensor]:
        """Classification loss and accuracies; each view of a video is a sample of its own."""
        features = self.features(inputs)
        views = len(features) // len(data_samples)
        return self.cls_head.loss(features, [s for s in data_samples for _ in range(views)])

    def predict(self, inputs: torch.Tensor, data_samples: list, **kwargs) -> list:
        """Attach class scores, averaged over views as ``cls_head.average_clips`` says."""
        return self.cls_head.predict(self.features(inputs), data_samples)

    def test_step(self, data: dict) -> list:
        """Predict videos of raw frames, at most ``max_views`` windows of one at a time.

        A video passes by itself: memory does not grow with its views, videos may have different
        numbers of them, and a score does not depend on what else is in the batch.

        Args:
            data: ``inputs``, list of ``[V * N, C, T, H, W]``, 0 to 255, and ``data_samples``.

        Returns:
            The data samples with ``pred_score`` ``[K]``.
        """
        predicted = []
        for frames, sample in zip(data['inputs'], data['data_samples']):
            if frames.ndim != 5 or len(frames) % self.num_blocks:
                raise ValueError(
                    f'a video must hold a multiple of model.num_blocks='
                    f'{self.num_blocks} blocks, got {tuple(frames.shape)}'
                )
            scores = []
            for part in frames.unflatten(0, (-1, self.num_blocks)).split(self.max_views):
                batch = self.data_preprocessor(dict(inputs=list(part), data_samples=None))
                scores.append(self.cls_head(self.features(batch['inputs'])))
            predicted += self.cls_head.predict_by_feat(torch.cat(scores), [sample])
        return predicted

    def val_step(self, data: dict) -> list:
        """As :meth:`test_step`."""
        return self.test_step(data)

    def _forward(self, inputs: torch.Tensor, **kwargs) -> torch.Tensor:
        return self.extract_feat(inputs)
