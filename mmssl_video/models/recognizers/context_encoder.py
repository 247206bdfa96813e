"""What every recognizer with a block encoder and a temporal aggregation shares."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmaction.models.recognizers import BaseRecognizer
from torch import nn

from .preprocessor import build_preprocessor


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
        kwargs: Of the class that a subclass names after this one.

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
        **kwargs,
    ):
        super().__init__(
            backbone,
            cls_head=cls_head,
            neck=neck,
            data_preprocessor=build_preprocessor(data_preprocessor),
            **kwargs,
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

    def encode(self, inputs: torch.Tensor, backbone: nn.Module | None = None) -> torch.Tensor:
        """Encode each block and pool it over time.

        Args:
            inputs: ``[B, N, C, T, H, W]``: N blocks of T frames.
            backbone: Another encoder than the own, such as a target encoder.

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
        features = (backbone or self.backbone)(inputs.flatten(0, 1))
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

    @property
    def observed_blocks(self) -> int | None:
        """Blocks that a prediction rested on in training; None where that is not known."""
        return None

    def predict_steps(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """True and predicted feature of every block but the first, see :func:`predict_steps`.

        Raises:
            ValueError: The recognizer predicts no blocks.
        """
        raise ValueError(
            f'a {type(self).__name__} predicts no blocks: surprise needs a checkpoint of DPC or '
            'MemDPC pre-training'
        )


def predict_steps(
    encoder: ContextEncoder, predictor: nn.Module, inputs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """True and predicted feature of every block but the first (MemDPC appendix B, Fig. S1).

    The prediction of step t is made from the blocks x_1 .. x_{t-1}, one step ahead, with the
    forward aggregation: what a model in two directions has besides plays no part.

    Args:
        encoder: Encoder with a :class:`ConvGRU`.
        predictor: phi, any :class:`Predictor`.
        inputs: ``[B, N, C, T, H, W]``, normalised.

    Returns:
        ``z`` (before the ReLU, as the contrastive loss has it) and ``z_hat``, each
        ``[B, N - 1, D, h, w]``.

    Raises:
        ValueError: For fewer than 2 blocks.
    """
    features = encoder.encode(inputs)
    if features.shape[1] < 2:
        raise ValueError('a window of one block has nothing to predict: at least 2 are needed')
    contexts, _ = encoder.neck(F.relu(features[:, :-1]))
    predicted = predictor(contexts.flatten(0, 1)).unflatten(0, contexts.shape[:2])
    return features[:, 1:], predicted
