"""Classification from a pooled context: the downstream task of DPC and MemDPC."""

from __future__ import annotations

import torch
from mmaction.registry import MODELS

from .context_encoder import ContextEncoder


@MODELS.register_module()
class ContextClassifier(ContextEncoder):
    """An encoder with a classification head (DPC section 4, MemDPC Fig. 4).

    Args:
        backbone: Config of the block encoder f.
        neck: Config of the aggregation g.
        cls_head: Config of the head, e.g. :class:`ContextHead`.
        num_blocks: Number N of blocks of a clip (5 in the DPC paper, 8 in MemDPC and both codes).
        relu_first: ReLU before the pooling over time, as the released classifiers have it.
        feature_map: See :class:`ContextEncoder`.
        data_preprocessor: Config of the data preprocessor.

    Raises:
        ValueError: When the head does not take the context's width.
    """

    def __init__(self,
                 backbone: dict,
                 neck: dict,
                 cls_head: dict,
                 num_blocks: int = 8,
                 relu_first: bool = True,
                 feature_map: bool = True,
                 data_preprocessor: dict | None = None):
        super().__init__(backbone, neck, relu_first, feature_map, cls_head, data_preprocessor)
        self.num_blocks = num_blocks
        if self.cls_head.in_channels != self.context_channels:
            raise ValueError(f'cls_head.in_channels is {self.cls_head.in_channels} but the context '
                             f'has {self.context_channels} channels: set cls_head.in_channels='
                             f'{self.context_channels}')

    def _window_features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Contexts of all windows and crops: ``[B, W * N, ...]`` to ``[B * W, D]``."""
        if inputs.ndim != 6 or inputs.shape[1] % self.num_blocks:
            raise ValueError(f'inputs must hold a multiple of model.num_blocks={self.num_blocks} '
                             f'blocks in dimension 1, got {tuple(inputs.shape)}')
        return self.extract_feat(inputs.unflatten(1, (-1, self.num_blocks)).flatten(0, 1))

    def loss(self, inputs: torch.Tensor, data_samples: list, **kwargs) -> dict[str, torch.Tensor]:
        """Classification loss and accuracies of one window a video."""
        return self.cls_head.loss(self._window_features(inputs), data_samples)

    def predict(self, inputs: torch.Tensor, data_samples: list, **kwargs) -> list:
        """Attach class scores, averaged over windows and crops as ``cls_head.average_clips``."""
        return self.cls_head.predict(self._window_features(inputs), data_samples)
