"""The clip axis of a sample: windows, their blocks, their frames."""

from __future__ import annotations

from torch import Tensor


def as_windows(inputs: Tensor, num_blocks: int) -> Tensor:
    """Unfold the clip axis of a sample, ``[W * N, C, T, H, W]`` to ``[W, N, C, T, H, W]``.

    The images ``[M, C, H, W]`` of a sample for a 2D network are one window, ``[1, M, C, H, W]``.

    Raises:
        ValueError: When the clips are no whole number of windows.
    """
    if inputs.ndim == 4:
        return inputs[None]
    if inputs.ndim != 5:
        raise ValueError(
            'a sample must have shape [clips, channels, frames, height, width], got '
            f'{list(inputs.shape)}'
        )
    if len(inputs) % num_blocks:
        raise ValueError(
            f'a sample of {len(inputs)} clips is no whole number of windows of {num_blocks} blocks'
        )
    return inputs.unflatten(0, (-1, num_blocks))


def as_frames(windows: Tensor) -> Tensor:
    """Frames of windows in their order, ``[W, N, C, T, H, W]`` to ``[W, N * T, C, H, W]``."""
    return windows if windows.ndim == 5 else windows.transpose(2, 3).flatten(1, 2)
