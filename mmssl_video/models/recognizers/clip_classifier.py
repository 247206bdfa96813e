"""Classification from the pooled map of a clip encoder: the downstream task of the others."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS

from .classifier import EncoderClassifier


@MODELS.register_module()
class ClipClassifier(EncoderClassifier):
    """Any backbone for whole clips, global average pooling and a classification head.

    The downstream task of SSTL (section 4.2) and FGKVMemPred (section 4.1). The backbone may be any
    of mmaction2's that takes clips ``[B, C, T, H, W]``: R3D, R(2+1)D, SlowOnly, I3D, SlowFast (its
    two pathways are pooled and joined), Swin, ….

    Args:
        backbone: Config of the backbone.
        cls_head: Config of the head, e.g. :class:`ContextHead`; its ``in_channels`` follows from
            the backbone (or neck) where that says its width.
        neck: Config of a module between backbone and pooling; most encoders have none.
        frozen: Linear or non-linear probe: only the head is trained.
        norm_eval: See :meth:`EncoderClassifier.attach_head`, as for ``max_views``.
        max_views: Clips of a video that are in the network at once, at test time.
        pool_size: Extent (time, height, width) of the average pooling at test time, in cells of the
            map, as in PySlowFast's and FGKVMemPred's released heads: a larger map is pooled at all
            its positions, and their scores are averaged as those of further views are. None: the
            whole map.
        data_preprocessor: Config of the data preprocessor.

    Raises:
        ValueError: When the head does not take the feature's width, or nobody says what it is, or
            ``pool_size`` is no extent.
    """

    def __init__(
        self,
        backbone: dict,
        cls_head: dict,
        neck: dict | None = None,
        frozen: bool = False,
        norm_eval: bool = True,
        max_views: int = 16,
        pool_size: tuple[int, int, int] | None = None,
        data_preprocessor: dict | None = None,
    ):
        # Built here, so that the recognizer can be used without setting mmengine's default scope.
        super().__init__(
            backbone,
            neck=neck,
            data_preprocessor=MODELS.build(
                data_preprocessor or dict(type='ActionDataPreprocessor')
            ),
        )
        if pool_size is not None and (len(pool_size) != 3 or min(pool_size) < 1):
            raise ValueError(
                f'model.pool_size must be three whole numbers of at least 1, not {pool_size!r}'
            )
        self.pool_size = pool_size
        last = self.encoder_parts[-1]
        widths = (
            getattr(last, name, None) for name in ('out_channels', 'feat_dim', 'num_features')
        )
        width = next((value for value in widths if isinstance(value, int)), None)
        self.attach_head(cls_head, width, frozen, norm_eval, max_views)

    def extract_feat(self, inputs: torch.Tensor, **kwargs) -> torch.Tensor:
        """Pooled feature of clips, the representation that is judged.

        Args:
            inputs: ``[B, N, C, T, H, W]``, normalised: N clips of a video.

        Returns:
            ``[B, D]``: average over space and time, and over the N clips.

        Raises:
            ValueError: When the inputs are not six-dimensional.
        """
        if inputs.ndim != 6:
            raise ValueError(
                'inputs must be [batch, clips, channels, frames, height, width], got '
                f'{tuple(inputs.shape)}: does the pipeline end with '
                "FormatShape(input_format='NCTHW')?"
            )
        return self._pool(self._maps(inputs)).unflatten(0, inputs.shape[:2]).mean(1)

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        """As :meth:`EncoderClassifier.features`; with ``pool_size``, positions are views."""
        if self.pool_size is None or self.training:
            return super().features(inputs)
        maps = self._maps(inputs)
        size = [min(extent, side) for extent, side in zip(self.pool_size, maps.shape[2:])]
        return F.avg_pool3d(maps, size, stride=1).flatten(2).transpose(1, 2).flatten(0, 1)

    def _maps(self, inputs):
        maps = self.backbone(inputs.flatten(0, 1))
        return self.neck(maps) if self.with_neck else maps

    def _pool(self, maps) -> torch.Tensor:
        if isinstance(maps, (tuple, list)):
            return torch.cat([self._pool(each) for each in maps], 1)
        if not isinstance(maps, torch.Tensor) or maps.ndim < 2:
            raise ValueError(
                f'{type(self.encoder_parts[-1]).__name__} gives no feature map but a '
                f'{type(maps).__name__}: ClipClassifier takes backbones of clips'
            )
        return maps.flatten(2).mean(2) if maps.ndim > 2 else maps
