"""R3D-18, R(2+1)D-18 and Slow-R18: the encoders of SSTL and FGKVMemPred."""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torch.utils.checkpoint as cp
from mmaction.registry import MODELS
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from torch import nn

from .conv3d import Conv3d, per_frame


def middle_channels(in_channels: int, out_channels: int, kernel: int = 3) -> int:
    """Width M of the middle of a (2+1)D convolution (Tran et al., CVPR 2018, section 3.5).

    With it the pair has as many weights as the ``kernel`` x ``kernel`` x ``kernel`` convolution.
    """
    return (
        kernel**3 * in_channels * out_channels // (kernel**2 * in_channels + kernel * out_channels)
    )


class Conv2plus1d(nn.Module):
    """A spatial convolution, BN, ReLU and a temporal convolution, without biases.

    Args:
        in_channels, out_channels: Widths.
        kernel: Extent of both kernels, in pixels and in frames: 1 or 3.
        stride: ``(temporal, height, width)``.
        norm: Makes a norm layer of a width.
        middle: Width between the two; :func:`middle_channels` by default.
        spatial_kernel: Another extent of the spatial kernel.
    """

    def __init__(
        self, in_channels, out_channels, kernel, stride, norm, middle=None, spatial_kernel=None
    ):
        super().__init__()
        middle = middle or middle_channels(in_channels, out_channels, kernel)
        spatial = spatial_kernel or kernel
        self.spatial = Conv3d(
            in_channels,
            middle,
            (1, spatial, spatial),
            (1, *stride[1:]),
            (0, spatial // 2, spatial // 2),
        )
        self.bn = norm(middle)
        self.temporal = Conv3d(
            middle, out_channels, (kernel, 1, 1), (stride[0], 1, 1), (kernel // 2, 0, 0)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.temporal(F.relu(self.bn(self.spatial(x)), inplace=True))


class VideoBlock(nn.Module):
    """A residual block of two convolutions, or of a single bare one (``body=conv``)."""

    def __init__(self, convs, norm, out_channels, shortcut, with_cp):
        super().__init__()
        self.conv1 = convs[0]
        self.is_bare = len(convs) == 1
        if not self.is_bare:
            self.bn1, self.conv2, self.bn2 = norm(out_channels), convs[1], norm(out_channels)
        self.downsample = shortcut
        self.with_cp = with_cp

    def _forward(self, x):
        out = self.conv1(x)
        if not self.is_bare:
            out = self.bn2(self.conv2(F.relu(self.bn1(out), inplace=True)))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)), inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.with_cp and x.requires_grad:
            return cp.checkpoint(self._forward, x, use_reentrant=False)
        return self._forward(x)


@MODELS.register_module()
class VideoResNet(BaseModule):
    """A ResNet of basic blocks whose convolutions see time.

    ``kind='r3d'``: 3 x 3 x 3 (R3D-18 of SSTL section 4.2 and FGKVMemPred section 4.1);
    ``'r2plus1d'``: each factorised into space and time (R(2+1)D-18); ``'slow'``: 2D in res2 and
    res3, in res4 and res5 3 x 3 x 3 and then 1 x 3 x 3 (Slow-R18, which keeps every frame).

    Args:
        kind: See above.
        depth: 18 (two blocks a stage), 34, or 10 (one block a stage: what the released
            FGKVMemPred code runs as its "R(2+1)D-18", 14.4M parameters).
        in_channels: Channels of the input.
        base_channels: Width of the stem and res2; 64 in the papers.
        stem_middle: Middle width of the (2+1)D stem: 45 times ``base_channels`` / 64 as in Tran et
            al. by default; 83 in the released FGKVMemPred code.
        stem_pool: Max-pool after the stem, 1 x 3 x 3 with stride 2 in space: SSTL section 4.2. By
            default only for ``'slow'``.
        last_stage: ``'standard'``; ``'dilated'``: the first convolution of res5 keeps the time
            (stride 1, dilation 2) as in TCLR, which FGKVMemPred follows; ``'released'``: its
            released code, where a single dilated convolution without BN or ReLU stands for the
            whole first body. Both for ``'r3d'``.
        factorised_shortcut: (2+1)D shortcuts with BN and ReLU inside, as in the released code.
        norm_cfg: Config of the norm layers: BN or SyncBN.
        norm_eval: Keep BN in evaluation mode during training.
        with_cp: Recompute each block in the backward pass instead of storing its maps.
        init_cfg: mmengine's initialisation config; the default is He initialisation (fan out).

    Raises:
        ValueError: For a kind, depth, width or last stage that there is not.
    """

    KINDS = ('r3d', 'r2plus1d', 'slow')
    DEPTHS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}

    def __init__(
        self,
        kind: str = 'r3d',
        depth: int = 18,
        in_channels: int = 3,
        base_channels: int = 64,
        stem_middle: int | None = None,
        stem_pool: bool | None = None,
        last_stage: str = 'standard',
        factorised_shortcut: bool = False,
        norm_cfg: dict | None = None,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        for name, value, choices in (
            ('kind', kind, self.KINDS),
            ('depth', depth, sorted(self.DEPTHS)),
            ('last_stage', last_stage, ('standard', 'dilated', 'released')),
        ):
            if value not in choices:
                raise ValueError(
                    f'backbone.{name} of VideoResNet must be one of {choices}, got {value!r}'
                )
        if not isinstance(base_channels, int) or base_channels < 1:
            raise ValueError(
                f'backbone.base_channels must be a positive int, not {base_channels!r}'
            )
        if last_stage != 'standard' and kind != 'r3d':
            raise ValueError(
                f"backbone.last_stage={last_stage!r} is for kind='r3d'; {kind!r} has "
                "only 'standard'"
            )
        if kind != 'r2plus1d' and (stem_middle or factorised_shortcut):
            raise ValueError("backbone.stem_middle and factorised_shortcut are for kind='r2plus1d'")
        norm_cfg = dict(norm_cfg or dict(type='BN3d'))
        norm_cfg['type'] = {'BN': 'BN3d'}.get(norm_cfg['type'], norm_cfg['type'])

        def norm(channels):
            return build_norm_layer(norm_cfg, channels)[1]

        self.kind, self.norm_eval = kind, norm_eval
        self.stem_pool = kind == 'slow' if stem_pool is None else stem_pool
        if kind == 'r2plus1d':
            middle = stem_middle or max(1, round(45 * base_channels / 64))
            self.conv1: nn.Module = Conv2plus1d(
                in_channels, base_channels, 3, (1, 2, 2), norm, middle, 7
            )
        else:
            time = 3 if kind == 'r3d' else 1
            self.conv1 = Conv3d(
                in_channels, base_channels, (time, 7, 7), (1, 2, 2), (time // 2, 3, 3)
            )
        self.bn1 = norm(base_channels)
        channels = base_channels
        for stage, num_blocks in enumerate(self.DEPTHS[depth]):
            width, blocks = base_channels * 2**stage, []
            for i in range(num_blocks):
                stride = (1, 1, 1)
                if stage and not i:
                    keeps_time = kind == 'slow' or (stage == 3 and last_stage != 'standard')
                    stride = (1 if keeps_time else 2, 2, 2)
                shortcut = None
                if channels != width or stride != (1, 1, 1):
                    conv = (
                        Conv2plus1d(channels, width, 1, stride, norm)
                        if factorised_shortcut
                        else Conv3d(channels, width, 1, stride)
                    )
                    shortcut = nn.Sequential(conv, norm(width))
                is_special = stage == 3 and not i and last_stage != 'standard'
                convs = [self._conv(channels, width, stage, 0, stride, norm, is_special)]
                if not (is_special and last_stage == 'released'):
                    convs.append(self._conv(width, width, stage, 1, (1, 1, 1), norm))
                blocks.append(VideoBlock(convs, norm, width, shortcut, with_cp))
                channels = width
            self.add_module(f'layer{stage + 1}', nn.Sequential(*blocks))
        self.out_channels = channels
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')

    def _conv(self, in_channels, out_channels, stage, place, stride, norm, is_dilated=False):
        """The first or second (``place``) convolution of a block of a stage."""
        if self.kind == 'r2plus1d':
            return Conv2plus1d(in_channels, out_channels, 3, stride, norm)
        if self.kind == 'slow' and (stage < 2 or place == 1):
            return Conv3d(in_channels, out_channels, (1, 3, 3), stride, (0, 1, 1))
        dilation = (2, 1, 1) if is_dilated else 1
        return Conv3d(in_channels, out_channels, 3, stride, dilation, dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Encode clips.

        Args:
            x: Clips ``[B, C, T, H, W]``.

        Returns:
            Maps ``[B, out_channels, t, h, w]`` after the last ReLU: h and w are 1/16 of H and W
            (1/32 with ``stem_pool``), t is T / 8 (``'slow'``: T; a changed last stage: T / 4),
            all rounded up.
        """
        x = x.contiguous(memory_format=torch.channels_last_3d)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        if self.stem_pool:
            x = per_frame(x, lambda frames: F.max_pool2d(frames, 3, 2, 1))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x

    def train(self, mode: bool = True):
        """Set the mode; with ``norm_eval`` the norm layers stay in evaluation mode."""
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self
