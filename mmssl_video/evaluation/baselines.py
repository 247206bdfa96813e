"""Features that need no network: what a figure must beat before it says anything of an encoder.

On a set where one of these comes near the encoder, classes can be told apart by a single frame, by
*where* or *when* something moves, or even by the file's format, and the encoder's figure says
little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..datasets.transforms.color import LUMINANCE


def first_frame_map(
    windows: Tensor, info: Mapping[str, Any] | None = None, size: int = 16
) -> Tensor:
    """First frame of a video, grey, averaged down to ``size`` x ``size``.

    Args:
        windows: Frames of the windows of one video, ``[W, T, 3, H, W]``, RGB, 0 to 255.
        info: What is known of the file; not used here.
        size: Side of the map.

    Returns:
        ``[size * size]`` float32, 0 to 255.
    """
    return F.adaptive_avg_pool2d(_grey(windows[0, :1]), size).flatten()


def motion_map(windows: Tensor, info: Mapping[str, Any] | None = None, size: int = 16) -> Tensor:
    """Mean absolute difference of successive frames, grey, averaged down to ``size`` x ``size``.

    Differences are taken within windows only. Arguments, returns: see :func:`first_frame_map`.
    """
    maps = [
        F.adaptive_avg_pool2d(change.mean(0, keepdim=True), size) for change in _changes(windows)
    ]
    return torch.cat(maps).mean(0).flatten()


def motion_profile(windows: Tensor, info: Mapping[str, Any] | None = None, bins: int = 8) -> Tensor:
    """Mean absolute difference of successive frames over time: ``bins`` parts of a window.

    The mean over all places and over all windows of the video, ``[bins]`` float32. Arguments: see
    :func:`first_frame_map`.
    """
    curves = [
        F.adaptive_avg_pool1d(change.mean((1, 2))[None], bins)[0] for change in _changes(windows)
    ]
    return torch.stack(curves).mean(0)


def length_and_aspect(windows: Tensor, info: Mapping[str, Any]) -> Tensor:
    """Number of frames and width / height of the file, as logarithms, ``[2]`` float32.

    What cutting and cropping by hand leave behind: a leak where it tells classes apart.

    Args:
        windows: Not used.
        info: ``total_frames`` and ``original_shape`` (height, width).

    Raises:
        ValueError: ``info`` lacks one.
    """
    if not {'total_frames', 'original_shape'} <= set(info):
        raise ValueError(
            "the pipeline's results have no total_frames or original_shape, which the "
            "baseline 'length, aspect' needs: use VideoInit and DecodeFrames, or "
            'switch baselines off'
        )
    height, width = info['original_shape']
    return torch.tensor([math.log(info['total_frames']), math.log(width / height)])


#: Trivial features by the name they carry in tables.
BASELINES: dict[str, Callable[[Tensor, Mapping], Tensor]] = {
    'length, aspect': length_and_aspect,
    'first frame': first_frame_map,
    'motion over time': motion_profile,
    'motion map': motion_map,
}
#: The same of optical flow: they look at the images that flow is stored as.
FLOW_NAMES = {
    'first frame': 'first flow image',
    'motion over time': 'flow change over time',
    'motion map': 'flow change map',
}


def baselines_for(modality: str) -> dict[str, Callable[[Tensor, Mapping], Tensor]]:
    """:data:`BASELINES`, under names that say so where the videos are ``'Flow'``."""
    names = FLOW_NAMES if modality == 'Flow' else {}
    return {names.get(name, name): function for name, function in BASELINES.items()}


def majority_top1(gallery_labels: np.ndarray, query_labels: np.ndarray) -> float:
    """Top-1 in percent of always answering the gallery's largest class (expectation if tied)."""
    labels, counts = np.unique(gallery_labels, return_counts=True)
    largest = labels[counts == counts.max()]
    return 100 * float(np.isin(query_labels, largest).mean() / len(largest))


def _grey(frames):
    """``[..., C, H, W]`` to ``[..., H, W]``: luminance of three channels, else their mean."""
    if frames.shape[-3] != 3:
        return frames.float().mean(dim=-3)
    weight = torch.from_numpy(LUMINANCE).to(frames.device).view(3, 1, 1)
    return (frames.float() * weight).sum(dim=-3)


def _changes(windows):
    """``[T - 1, H, W]`` of each window; as floats, all of a long video would fill the memory."""
    if windows.shape[1] < 2:
        raise ValueError(
            'the baselines of frame differences need windows of 2 frames or more, got '
            f'{windows.shape[1]}: switch baselines off'
        )
    for window in windows:
        grey = _grey(window)
        yield (grey[1:] - grey[:-1]).abs()
