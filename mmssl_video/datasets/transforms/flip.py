"""Horizontal flips of whole clips that know what the frames are."""

from __future__ import annotations

import cv2
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from mmssl_video.datasets.views import View


def mirrored(img: np.ndarray, modality: str) -> np.ndarray:
    """Mirror image of a frame ``[H, W, 3]`` uint8, a new array.

    What moved to the right then moves to the left, so flow (u, v, 128) becomes (255 - u, v, 128).
    """
    img = cv2.flip(img, 1)
    if modality == 'Flow':
        img[..., 0] = 255 - img[..., 0]
    return img


@TRANSFORMS.register_module()
class VideoFlip(BaseTransform):
    """Flip all frames of a sample horizontally, with a probability; flow (u, v, 128) rightly.

    mmaction2's ``Flip`` takes flow to come as single channels in turns: on three-channel flow it
    inverts every second *frame*. On RGB frames the two are the same, draw for draw.

    Required keys: ``imgs`` (list of ``[H, W, 3]`` uint8), ``modality`` (``'RGB'`` or ``'Flow'``).
    Added keys: ``flip`` (bool), ``flip_direction``.

    Args:
        flip_ratio: Probability of a flip, drawn once per sample (inside ``PerClip`` per clip).

    Raises:
        ValueError: It is no probability.
    """

    def __init__(self, flip_ratio: float = 0.5) -> None:
        if not 0 <= flip_ratio <= 1:
            raise ValueError(
                f'VideoFlip: flip_ratio is a probability in [0, 1], got {flip_ratio!r}'
            )
        self.flip_ratio = flip_ratio

    def describe(self, view: View) -> View:
        """Frames are mirrored at random."""
        return view.remark('mirrored at random') if self.flip_ratio else view

    def transform(self, results: dict) -> dict:
        results['flip'] = bool(np.random.rand() < self.flip_ratio)
        results['flip_direction'] = 'horizontal'
        if results['flip']:
            results['imgs'] = [mirrored(img, results['modality']) for img in results['imgs']]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(flip_ratio={self.flip_ratio})'
