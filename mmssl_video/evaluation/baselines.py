"""Features that need no network: what a figure must beat before it says anything of an encoder.

On a set where one of these comes near the encoder, classes can be told apart by a single frame or
by *where* something moves, and the encoder's figure says little.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmssl_video.datasets.transforms.color import LUMINANCE


def first_frame_map(windows: Tensor, size: int = 16) -> Tensor:
    """First frame of a video, grey, averaged down to ``size`` x ``size``.

    Args:
        windows: Frames of the windows of one video, ``[W, T, 3, H, W]``, RGB, 0 to 255.
        size: Side of the map.

    Returns:
        ``[size * size]`` float32, 0 to 255.
    """
    return _pooled(_grey(windows[:1, :1]), size).mean(0)


def motion_map(windows: Tensor, size: int = 16) -> Tensor:
    """Mean absolute difference of successive frames, grey, averaged down to ``size`` x ``size``.

    Differences are taken within windows only. Arguments, returns: see :func:`first_frame_map`.
    """
    if windows.shape[1] < 2:
        raise ValueError('the map of frame differences needs windows of 2 frames or more, got '
                         f'{windows.shape[1]}')
    maps = []
    for window in windows.split(1):  # as floats, all windows of a long video would fill the memory
        grey = _grey(window)
        maps.append(_pooled((grey[:, 1:] - grey[:, :-1]).abs(), size))
    return torch.cat(maps).mean(0)


#: Trivial features by the name they carry in tables.
BASELINES = {'first frame': first_frame_map, 'motion map': motion_map}


def majority_top1(gallery_labels: np.ndarray, query_labels: np.ndarray) -> float:
    """Top-1 in percent of always answering the gallery's largest class (expectation if tied)."""
    labels, counts = np.unique(gallery_labels, return_counts=True)
    largest = labels[counts == counts.max()]
    return 100 * float(np.isin(query_labels, largest).mean() / len(largest))


def _grey(frames):
    weight = torch.from_numpy(LUMINANCE).to(frames.device).view(3, 1, 1)
    return (frames.float() * weight).sum(dim=-3)


def _pooled(maps, size):
    """Average ``[W, T, H, W]`` over frames and into ``[W, size * size]``."""
    return F.adaptive_avg_pool2d(maps.mean(dim=1), size).flatten(1)
