"""Colour augmentations of whole clips, drawn per frame or per clip.

DPC (sec. 4.1) and MemDPC (sec. 4.1) jitter and grey every *frame* with draws of its own: a network
that predicts the future could otherwise recognise a clip by its colours alone. mmaction2's own
``ColorJitter`` draws once per clip, its hue scale is wrong and it fails with numpy 2, hence ours.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import cv2
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from mmssl_video.datasets.views import View

# ITU-R 601 luminance, as PIL's 'L' and OpenCV's RGB2GRAY have it.
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def adjust_brightness(img: np.ndarray, factor: float) -> np.ndarray:
    """Blend with black: ``factor * x``. ``img`` [H, W, 3] uint8 RGB; returns the same."""
    return cv2.convertScaleAbs(img, alpha=factor)


def adjust_contrast(img: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the frame's mean grey (rounded, as PIL does): ``mean + factor * (x - mean)``."""
    mean = np.floor(cv2.mean(cv2.cvtColor(img, cv2.COLOR_RGB2GRAY))[0] + 0.5)
    return cv2.addWeighted(img, factor, img, 0.0, (1.0 - factor) * mean)


def adjust_saturation(img: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the luminance of each pixel: ``grey + factor * (x - grey)``."""
    blend = factor * np.eye(3, dtype=np.float32) + (1.0 - factor) * LUMINANCE[None]
    return cv2.transform(img, blend.astype(np.float32))


def adjust_hue(img: np.ndarray, turns: float) -> np.ndarray:
    """Turn the hue by ``turns`` of the full wheel (1/3 takes red to green), in float HSV.

    8-bit HSV is no faster in OpenCV and off by up to 7 of 255 after one round trip.
    """
    hsv: np.ndarray = cv2.cvtColor(img.astype(np.float32), cv2.COLOR_RGB2HSV)  # hue in degrees
    hsv[..., 0] += 360.0 * (turns % 1.0)
    return cv2.convertScaleAbs(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))  # rounds and saturates


ADJUST = dict(
    brightness=adjust_brightness,
    contrast=adjust_contrast,
    saturation=adjust_saturation,
    hue=adjust_hue,
)


class _ColorTransform(BaseTransform):
    """What the colour transforms share: the draws' unit (frame or clip), checks, the loop.

    A subclass gives ``draw()``, one random operation as a function of one frame, and says in
    ``REMARK`` what a record calls it.
    """

    REMARK: str
    p: float
    consistent: str

    def __init__(self, p: float, consistent: str) -> None:
        name = type(self).__name__
        if not isinstance(p, Real) or not 0 <= p <= 1:
            raise ValueError(f'{name}: p is a probability in [0, 1], got {p!r}.')
        if consistent not in ('frame', 'clip'):
            raise ValueError(
                f"{name}: consistent is 'frame' (draws per frame) or 'clip' (draws per clip), "
                f'got {consistent!r}.'
            )
        self.p = float(p)
        self.consistent = consistent

    def draw(self):
        raise NotImplementedError

    def describe(self, view: View) -> View:
        """Colours change at random, which a record says."""
        return view.remark(self.REMARK) if self.p else view

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``results['imgs']``.

        Args:
            results: ``imgs`` is a list of T frames, [H, W, 3] uint8 RGB, or one array
                [T, H, W, 3]; ``clip_len`` frames in a row, where given, are one clip. Before
                ``SplitBlocks`` that is a whole window, so ``consistent='clip'`` draws once per
                window or view; after it, once per block.

        Returns:
            ``results``; the frames are new arrays, the given ones are left as they were.
        """
        imgs = results['imgs']
        name = type(self).__name__
        if results.get('modality') == 'Flow':
            raise ValueError(
                f"{name} is not for modality='Flow': flow has no colours, take it out "
                'of the pipeline'
            )
        for img in imgs:
            if (
                not isinstance(img, np.ndarray)
                or img.dtype != np.uint8
                or img.ndim != 3
                or img.shape[2] != 3
            ):
                got = f'{img.dtype} {img.shape}' if hasattr(img, 'dtype') else type(img).__name__
                raise TypeError(
                    f'{name} needs frames of [H, W, 3] uint8, got {got}; put it after '
                    'decoding and before normalisation and FormatShape.'
                )
        group = 1 if self.consistent == 'frame' else results.get('clip_len', len(imgs))
        if group and len(imgs) % group:
            raise ValueError(
                f'{name}: {len(imgs)} frames are not a whole number of clips of {group} (clip_len).'
            )
        out = []
        for start in range(0, len(imgs), group or 1):
            clip = imgs[start : start + group]
            if np.random.rand() < self.p:
                change = self.draw()
                clip = [change(img) for img in clip]
            out.extend(clip)
        results['imgs'] = np.stack(out) if isinstance(imgs, np.ndarray) else out
        return results


@TRANSFORMS.register_module()
class VideoColorJitter(_ColorTransform):
    """Random brightness, contrast, saturation and hue, in random order, per frame or per clip.

    Each operation works on the rounded and clipped 8-bit result of the one before, as with PIL.
    The default ranges are those of DPC and MemDPC (released code; the papers give none).

    Args:
        brightness: b; the factor is uniform in [max(0, 1 - b), 1 + b]. 0 switches it off.
        contrast: the same for the blend with the frame's mean grey.
        saturation: the same for the blend with each pixel's luminance.
        hue: h in [0, 0.5]; the shift is uniform in [-h, h] turns of the colour wheel.
        p: probability that a frame (or clip) is changed at all.
        consistent: ``'frame'`` (factors and order drawn for each frame) or ``'clip'``.

    Raises:
        ValueError: for a value outside these ranges.
    """

    REMARK = 'colours jittered'

    def __init__(
        self,
        brightness: float = 0.5,
        contrast: float = 0.5,
        saturation: float = 0.5,
        hue: float = 0.25,
        p: float = 1.0,
        consistent: str = 'frame',
    ) -> None:
        super().__init__(p, consistent)
        self.ranges: dict[str, tuple[float, float]] = {}
        for name, width in dict(
            brightness=brightness, contrast=contrast, saturation=saturation, hue=hue
        ).items():
            top = 0.5 if name == 'hue' else np.inf
            if not isinstance(width, Real) or not 0 <= width <= top or not np.isfinite(width):
                span = 'in [0, 0.5] turns of the wheel' if name == 'hue' else 'at least 0'
                raise ValueError(f'VideoColorJitter: {name} is one number {span}, got {width!r}.')
            if width > 0:
                self.ranges[name] = (
                    (-width, width) if name == 'hue' else (max(0.0, 1.0 - width), 1.0 + width)
                )

    def draw(self):
        names = list(self.ranges)
        steps = [
            (ADJUST[names[i]], np.random.uniform(*self.ranges[names[i]]))
            for i in np.random.permutation(len(names))
        ]

        def change(img: np.ndarray) -> np.ndarray:
            for adjust, amount in steps:
                img = adjust(img, amount)
            return img

        return change

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(ranges={self.ranges}, p={self.p}, '
            f'consistent={self.consistent!r})'
        )


@TRANSFORMS.register_module()
class VideoRandomGray(_ColorTransform):
    """Grey frames at random, three equal channels kept.

    Args:
        p: probability that a frame (or clip) becomes grey (MemDPC's released code 0.25, DPC's 0.5).
        mode: ``'luminance'`` (0.299 R + 0.587 G + 0.114 B) or ``'channel'``, one channel drawn at
            random and copied three times, as the released code of DPC and MemDPC does.
        consistent: ``'frame'`` (drawn for each frame) or ``'clip'``.

    Raises:
        ValueError: for a value outside these.
    """

    REMARK = 'greyed at random'

    def __init__(self, p: float = 0.25, mode: str = 'luminance', consistent: str = 'frame') -> None:
        super().__init__(p, consistent)
        if mode not in ('luminance', 'channel'):
            raise ValueError(f"VideoRandomGray: mode is 'luminance' or 'channel', got {mode!r}.")
        self.mode = mode

    def draw(self):
        channel = np.random.randint(3) if self.mode == 'channel' else None

        def change(img: np.ndarray) -> np.ndarray:
            grey = (
                cv2.cvtColor(img, cv2.COLOR_RGB2GRAY)
                if channel is None
                else cv2.extractChannel(img, channel)
            )
            return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)

        return change

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(p={self.p}, mode={self.mode!r}, consistent={self.consistent!r})'
        )


@TRANSFORMS.register_module()
class VideoGaussianBlur(_ColorTransform):
    """Blur with a Gaussian of random width, one draw per clip by default (MoCo v2, on clips).

    Args:
        sigma: Range of the standard deviation in pixels, drawn uniformly.
        p: Probability that a clip (or frame) is blurred.
        consistent: ``'clip'`` or ``'frame'``.

    Raises:
        ValueError: for a value outside these.
    """

    REMARK = 'blurred at random'

    def __init__(
        self, sigma: tuple[float, float] = (0.1, 2.0), p: float = 0.5, consistent: str = 'clip'
    ) -> None:
        super().__init__(p, consistent)
        if (
            not isinstance(sigma, (tuple, list))
            or len(sigma) != 2
            or not all(isinstance(end, Real) for end in sigma)
            or not 0 < sigma[0] <= sigma[1] < np.inf
        ):
            raise ValueError(
                'VideoGaussianBlur: sigma is a range (low, high) of pixels with '
                f'0 < low <= high, got {sigma!r}.'
            )
        self.sigma = (float(sigma[0]), float(sigma[1]))

    def draw(self):
        sigma = np.random.uniform(*self.sigma)
        # four standard deviations each way: what lies beyond is below one part in 10 000
        size = 2 * int(np.ceil(4 * sigma)) + 1

        def change(img: np.ndarray) -> np.ndarray:
            # in float: OpenCV's 8-bit filter is off by up to 2 of 255
            blurred = cv2.GaussianBlur(
                img.astype(np.float32), (size, size), sigma, borderType=cv2.BORDER_REFLECT_101
            )
            return cv2.convertScaleAbs(blurred)

        return change

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(sigma={self.sigma}, p={self.p}, consistent={self.consistent!r})'
        )
