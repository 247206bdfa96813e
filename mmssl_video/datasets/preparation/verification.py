"""Whether a video can be used: it opens, and its first, middle and last frame decode."""

from __future__ import annotations

from mmssl_video.datasets.decoding import VideoSource
from mmssl_video.datasets.errors import BadVideoError


def verify_video(path) -> dict:
    """Open a video and decode three frames, by the reader that training uses.

    That reader knows a truncated file by what its header promises. In an AVI or another container
    without exact seeking the last frame can only be had by decoding all those before it, so that
    there the whole file is decoded.

    Args:
        path: The file.

    Returns:
        dict: ``frames``, ``fps``, ``height``, ``width``.

    Raises:
        BadVideoError: It cannot be used.
    """
    source = VideoSource(path)
    last = len(source) - 1
    frames = source.get_frames([0, last // 2, last])
    shapes = {frame.shape[:2] for frame in frames.values()}
    if len(shapes) > 1:
        raise BadVideoError(path, f'its frames change size: {sorted(shapes)}')
    height, width = shapes.pop()
    return dict(frames=len(source), fps=round(source.probe.fps, 4), height=height, width=width)
