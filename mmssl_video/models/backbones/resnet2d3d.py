"""The 2D3D-ResNet: the block encoder f of DPC and MemDPC."""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torch.utils.checkpoint as cp
from mmaction.registry import MODELS
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm, _InstanceNorm
from torch import nn

from .conv3d import Conv3d, per_frame

# The papers say "BN" and "IN"; on five-dimensional maps these are the 3d layers.
_NORM_NAMES = {'BN': 'BN3d', 'BN3d': 'BN3d', 'IN': 'IN3d', 'IN3d': 'IN3d', 'SyncBN': 'SyncBN'}


class _Block(BaseModule):
    """What both kinds of residual block share: a body, a shortcut and an optional last ReLU."""

    def __init__(self, downsample: nn.Module | None, final_relu: bool, with_cp: bool):
        super().__init__()
        self.downsample = downsample
        self.final_relu = final_relu
        self.with_cp = with_cp

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.body(x) + shortcut
        return F.relu(out, inplace=True) if self.final_relu else out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.with_cp and x.requires_grad:
            return cp.checkpoint(self._forward, x, use_reentrant=False)
        return self._forward(x)


class BasicBlock2d3d(_Block):
    """Two 3 x 3 (``is_3d``: 3 x 3 x 3) convolutions: the block of depths 18 and 34."""

    expansion = 1

    def __init__(self, in_channels, channels, stride, is_3d, norm, **kwargs):
        super().__init__(**kwargs)
        kernel, padding = (3, 1) if is_3d else ((1, 3, 3), (0, 1, 1))
        self.conv1 = Conv3d(in_channels, channels, kernel, stride, padding)
        self.bn1 = norm(channels)
        self.conv2 = Conv3d(channels, channels, kernel, 1, padding)
        self.bn2 = norm(channels)

    def body(self, x):
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return self.bn2(self.conv2(out))


class Bottleneck2d3d(_Block):
    """1 x 1, 3 x 3 (``is_3d``: 3 x 3 x 3), 1 x 1 convolutions: the block of depth 50."""

    expansion = 4

    def __init__(self, in_channels, channels, stride, is_3d, norm, **kwargs):
        super().__init__(**kwargs)
        kernel, padding = (3, 1) if is_3d else ((1, 3, 3), (0, 1, 1))
        self.conv1 = Conv3d(in_channels, channels, 1)
        self.bn1 = norm(channels)
        self.conv2 = Conv3d(channels, channels, kernel, stride, padding)
        self.bn2 = norm(channels)
        self.conv3 = Conv3d(channels, channels * self.expansion, 1)
        self.bn3 = norm(channels * self.expansion)

    def body(self, x):
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        return self.bn3(self.conv3(out))


@MODELS.register_module()
class ResNet2d3d(BaseModule):
    """ResNet whose res2 and res3 are 2D (1 x 3 x 3) and whose res4 and res5 are 3D.

    DPC section 3.4, MemDPC supplement Table S1. res5 is as wide as res4, and the last block ends
    without ReLU, so that predictions and targets may be negative.

    Args:
        depth: 18, 34 (basic blocks) or 50 (bottlenecks).
        in_channels: Channels of the input: 3 for RGB and for flow with its constant third channel.
        base_channels: Channels of conv1 and res2; the papers' networks have 64.
        norm_cfg: ``dict(type='BN' | 'IN' | 'SyncBN', ...)``, other keys go to the layer.
        track_running_stats: Whether BN keeps running statistics. The DPC authors pre-train
            without them: batch statistics are then used in evaluation as well.
        norm_eval: Keep BN in evaluation mode (frozen statistics) during training.
        with_cp: Recompute each block in the backward pass instead of storing its maps.
        init_cfg: mmengine's initialisation config; the default is He initialisation (fan out).

    Raises:
        ValueError: For an unknown depth, an unknown norm layer or a non-positive width.
    """

    arch_settings = {
        18: (BasicBlock2d3d, (2, 2, 2, 2)),
        34: (BasicBlock2d3d, (3, 4, 6, 3)),
        50: (Bottleneck2d3d, (3, 4, 6, 3)),
    }

    def __init__(
        self,
        depth: int = 18,
        in_channels: int = 3,
        base_channels: int = 64,
        norm_cfg: dict | None = None,
        track_running_stats: bool = True,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        if depth not in self.arch_settings:
            raise ValueError(
                f'ResNet2d3d has no depth {depth!r}: set backbone.depth to one of '
                f'{sorted(self.arch_settings)}'
            )
        if not isinstance(base_channels, int) or base_channels < 1:
            raise ValueError(
                f'backbone.base_channels must be a positive int, not {base_channels!r}'
            )
        norm_cfg = dict(norm_cfg or dict(type='BN'))
        if norm_cfg.get('type') not in _NORM_NAMES:
            raise ValueError(
                f"backbone.norm_cfg.type is {norm_cfg.get('type')!r}; choose 'BN', 'IN' or 'SyncBN'"
            )
        norm_cfg['type'] = _NORM_NAMES[norm_cfg['type']]
        if norm_cfg['type'] == 'IN3d':
            norm_cfg.setdefault('affine', True)
        else:
            norm_cfg['track_running_stats'] = track_running_stats
        if norm_eval and not track_running_stats:
            raise ValueError(
                'backbone.norm_eval=True needs running statistics: set '
                'backbone.track_running_stats=True'
            )
        self.depth = depth
        self.norm_eval = norm_eval
        block, num_blocks = self.arch_settings[depth]

        def norm(channels):
            return build_norm_layer(norm_cfg, channels)[1]

        self.conv1 = Conv3d(in_channels, base_channels, (1, 7, 7), (1, 2, 2), (0, 3, 3))
        self.bn1 = norm(base_channels)
        in_channels = base_channels
        for index, (width, stride) in enumerate([(1, 1), (2, (1, 2, 2)), (4, 2), (4, 2)]):
            blocks = []
            for i in range(num_blocks[index]):
                stride = stride if i == 0 else 1
                out_channels = width * base_channels * block.expansion
                downsample = None
                if stride != 1 or in_channels != out_channels:
                    downsample = nn.Sequential(
                        Conv3d(in_channels, out_channels, 1, stride), norm(out_channels)
                    )
                is_last = index == 3 and i == num_blocks[index] - 1
                blocks.append(
                    block(
                        in_channels,
                        width * base_channels,
                        stride,
                        index >= 2,
                        norm,
                        downsample=downsample,
                        final_relu=not is_last,
                        with_cp=with_cp,
                    )
                )
                in_channels = out_channels
            self.add_module(f'layer{index + 1}', nn.Sequential(*blocks))
        self.out_channels = in_channels

        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Encode blocks of frames, Eq. (1) of both papers.

        Args:
            x: Blocks ``[B, C, T, H, W]``.

        Returns:
            Feature maps ``[B, out_channels, ceil(T / 4), ceil(H / 32), ceil(W / 32)]``, before
            any ReLU.
        """
        x = x.contiguous(memory_format=torch.channels_last_3d)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = per_frame(x, lambda frames: F.max_pool2d(frames, 3, 2, 1))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x

    def train(self, mode: bool = True):
        """Set the mode; with ``norm_eval`` the norm layers stay in evaluation mode."""
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, (_BatchNorm, _InstanceNorm)):
                    module.eval()
        return self
