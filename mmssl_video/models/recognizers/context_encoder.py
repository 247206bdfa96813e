"""What every recognizer with a block encoder and a temporal aggregation shares."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmaction.models.recognizers import BaseRecognizer
from mmaction.registry import MODELS


class ContextEncoder(BaseRecognizer):
    """Blocks to features to a pooled context: Eq. (1) and (2) of DPC and MemDPC.

    The encoder is the ``backbone`` and the ``neck``; their keys in a state dict are the same in all
    subclasses, so weights pass between them as they are.

    Args:
        backbone: Config of the block encoder f.
        neck: Config of the temporal aggregation g, a :class:`ConvGRU`.
        relu_first: Apply the ReLU between f and g before the pooling over the block's time, as the
            released classifiers do; the released pre-training pools first.
        feature_map: Keep the map; False pools each block to one vector ("remove Map", DPC Table 1).
        cls_head: Config of a classification head.
        data_preprocessor: Config of the data preprocessor.

    Raises:
        ValueError: When the neck does not take the backbone's channels.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        relu_first: bool = False,
        feature_map: bool = True,
        cls_head: dict | None = None,
        data_preprocessor: dict | None = None,
    ):
        # Built here, so that the recognizer can be used without setting mmengine's default scope.
        super().__init__(
            backbone,
            cls_head=cls_head,
            neck=neck,
            data_preprocessor=MODELS.build(
                data_preprocessor or dict(type='ActionDataPreprocessor')
            ),
        )
        self.relu_first = relu_first
        self.feature_map = feature_map
        width = getattr(self.backbone, 'out_channels', None)
        if width is not None and width != self.neck.in_channels:
            raise ValueError(
                f'the backbone gives {width} channels but neck.in_channels is '
                f'{self.neck.in_channels}: set neck.in_channels={width}'
            )

    @property
    def context_channels(self) -> int:
        """Width D of the pooled context."""
        return self.neck.hidden_channels * (2 if self.neck.bidirectional else 1)

    def encode(self, inputs: torch.Tensor) -> torch.Tensor:
        """Encode each block and pool it over time.

        Args:
            inputs: ``[B, N, C, T, H, W]``: N blocks of T frames.

        Returns:
            Features ``[B, N, D, h, w]`` (h = w = 1 without ``feature_map``), before the ReLU unless
            ``relu_first``.

        Raises:
            ValueError: When the inputs are not six-dimensional.
        """
        if inputs.ndim != 6:
            raise ValueError(
                'inputs must be [batch, blocks, channels, frames, height, width], got '
                f'{tuple(inputs.shape)}: does the pipeline end with SplitBlocks and '
                "FormatShape(input_format='NCTHW')?"
            )
        features = self.backbone(inputs.flatten(0, 1))
        if self.relu_first:
            features = F.relu(features)
        features = features.mean(2) if self.feature_map else features.mean((2, 3, 4), True)[:, :, 0]
        return features.unflatten(0, inputs.shape[:2])

    def extract_feat(self, inputs: torch.Tensor, **kwargs) -> torch.Tensor:
        """Pooled context of a sequence of blocks, the representation that is judged.

        Args:
            inputs: ``[B, N, C, T, H, W]``, normalised.

        Returns:
            ``[B, D]``: the context after the last block, averaged over space; with two
            directions, forward and backward context concatenated.
        """
        features = F.relu(self.encode(inputs))
        contexts = [self.neck(features)[0][:, -1]]
        if self.neck.bidirectional:
            contexts.append(self.neck(features.flip(1), backward=True)[0][:, -1])
        return torch.cat(contexts, 1).mean((-2, -1))

    def _forward(self, inputs: torch.Tensor, **kwargs) -> torch.Tensor:
        return self.extract_feat(inputs)
