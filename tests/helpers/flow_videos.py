"""Videos whose motion is known: a smooth texture that moves by whole pixels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .videos import write_video


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Grey clouds ``[H, W, 3]`` uint8, rich enough for TV-L1 to find every displacement."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 4)
    grey = np.clip(128 + 55 * noise / noise.std(), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def moving_frames(count: int, move=(2, -1), size=(64, 96), seed: int = 0) -> list[np.ndarray]:
    """Frames in which everything moves by (dx, dy) whole pixels from one to the next."""
    (dx, dy), (height, width) = move, size
    margin = count * max(abs(dx), abs(dy))
    picture = texture(height + 2 * margin, width + 2 * margin, seed)
    return [
        np.ascontiguousarray(
            picture[
                margin - t * dy : margin - t * dy + height,
                margin - t * dx : margin - t * dx + width,
            ]
        )
        for t in range(count)
    ]


def write_moving_video(path: Path, count: int = 6, **kwargs) -> Path:
    """:func:`moving_frames` in a file, compressed very little."""
    return write_video(path, moving_frames(count, **kwargs), options={'crf': '3'})


def to_pixels(flow: np.ndarray, bound: int = 20) -> np.ndarray:
    """Inverse of ``flow_format.to_bytes`` up to its rounding of ``bound / 255`` pixels; float32."""
    return np.asarray(flow, dtype=np.float32) * (2 * bound / 255) - bound
