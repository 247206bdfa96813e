"""3D convolutions and frame-wise functions that take the fastest kernels."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn


class Conv3d(nn.Conv3d):
    """A 3D convolution without bias that takes the shortest way through the kernels.

    Weights keep the 3D layout. 1 x k x k kernels run as 2D convolutions: on ``channels_last_3d``
    maps the frames fold into the batch without a copy. 1 x 1 x 1 kernels run as matrix products;
    oneDNN's own kernel for their weight gradient (seen in torch 2.13 with AVX-512) writes out of
    bounds when channels are few and threads several. ``mmssl benchmark step`` shows the speed.

    In 16 bits on the CPU the time is padded before the convolution instead of by it: where a clip
    has fewer frames than the kernel, oneDNN's weight gradient of a padded time (seen in torch 2.13
    with AVX512-BF16, e.g. 2 frames under 3 x 3 x 3) is memory that nothing was ever written to.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size, stride=1, padding=0, dilation=1
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, bias=False
        )
        self.is_pointwise = self.kernel_size == (1, 1, 1)
        self.is_spatial = (
            self.kernel_size[0] == 1 and self.stride[0] == 1 and self.dilation == (1, 1, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.is_pointwise:
            step_t, step_h, step_w = self.stride
            x = x[:, :, ::step_t, ::step_h, ::step_w]
            return F.linear(x.movedim(1, -1), self.weight.flatten(1)).movedim(-1, 1)
        if not self.is_spatial:
            if self.padding[0] and _is_16_bit_on_cpu(x):
                return self._padded_before(x)
            return super().forward(x)
        return per_frame(
            x,
            lambda frames: F.conv2d(
                frames, self.weight.squeeze(2), None, self.stride[1:], self.padding[1:]
            ),
        )

    def _padded_before(self, x: torch.Tensor) -> torch.Tensor:
        """The same convolution of frames that zeros were put before and after."""
        time, *space = map(int, self.padding)
        x = F.pad(x, (0, 0, 0, 0, time, time))
        return F.conv3d(x, self.weight, None, self.stride, (0, *space), self.dilation)


def _is_16_bit_on_cpu(x: torch.Tensor) -> bool:
    """Whether a convolution of ``x`` computes in 16 bits on the CPU, by itself or by autocast."""
    if x.device.type != 'cpu':
        return False
    dtype = torch.get_autocast_dtype('cpu') if torch.is_autocast_enabled('cpu') else x.dtype
    return dtype.itemsize == 2


def per_frame(x: torch.Tensor, function: Callable) -> torch.Tensor:
    """Apply a 2D function to each frame of ``x [B, C, T, H, W]``; a view on channels_last_3d."""
    batch, _, frames = x.shape[:3]
    return function(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, frames)).transpose(1, 2)
