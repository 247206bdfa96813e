"""Classification from a pooled context: the downstream task of DPC and MemDPC."""

from __future__ import annotations

from mmaction.registry import MODELS

from .classifier import EncoderClassifier
from .context_encoder import ContextEncoder


@MODELS.register_module()
class ContextClassifier(EncoderClassifier, ContextEncoder):
    """An encoder with a classification head (DPC section 4, MemDPC Fig. 4).

    Args:
        backbone: Config of the block encoder f.
        neck: Config of the aggregation g.
        cls_head: Config of the head, e.g. :class:`ContextHead`; its ``in_channels`` follows from
            the neck where it is left out.
        num_blocks: Number N of blocks of a clip (5 in the DPC paper, 8 in MemDPC and both codes).
        relu_first: ReLU before the pooling over time, as the released classifiers have it.
        feature_map: See :class:`ContextEncoder`.
        frozen: Linear or non-linear probe: only the head is trained (MemDPC section 5.4).
        norm_eval: See :meth:`EncoderClassifier.attach_head`, as for ``max_views``.
        max_views: Windows of a video that are in the network at once, at test time.
        data_preprocessor: Config of the data preprocessor.

    Raises:
        ValueError: When the head does not take the context's width.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        cls_head: dict,
        num_blocks: int = 8,
        relu_first: bool = True,
        feature_map: bool = True,
        frozen: bool = False,
        norm_eval: bool = True,
        max_views: int = 16,
        data_preprocessor: dict | None = None,
    ):
        super().__init__(
            backbone, neck, relu_first, feature_map, data_preprocessor=data_preprocessor
        )
        self.num_blocks = num_blocks
        self.attach_head(cls_head, self.context_channels, frozen, norm_eval, max_views)
