"""Writes small real videos whose every frame carries its own number.

``write_video`` takes any frames; ``numbered_frames`` draws the number as ten full-height black or
white bars (binary, most significant bit left), which survive strong compression, chroma
subsampling, scaling and centre crops in height; ``read_number`` reads it back.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

NUM_BITS = 10


def numbered_frames(count: int, size=(64, 96), first: int = 0) -> list[np.ndarray]:
    """``count`` RGB frames ``[H, W, 3]`` uint8 that show the numbers ``first ..``.

    Args:
        count: How many frames; ``first + count`` must stay below 1024.
        size: (height, width) in pixels; width at least 40.
        first: Number shown by the first frame.
    """
    height, width = size
    if first + count > 2**NUM_BITS or width < 4 * NUM_BITS:
        raise ValueError('numbers go up to 1023 and the width must be at least 40')
    bit_of_column = np.arange(width) * NUM_BITS // width
    frames = []
    for number in range(first, first + count):
        bits = (number >> (NUM_BITS - 1 - np.arange(NUM_BITS))) & 1
        row = np.where(bits[bit_of_column], 230, 25).astype(np.uint8)
        frames.append(np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3))))
    return frames


def read_number(frame: np.ndarray) -> int:
    """The number shown by a frame ``[H, W, 3]`` or ``[H, W]``."""
    row = np.asarray(frame, dtype=np.float32)
    row = row.reshape(row.shape[0], row.shape[1], -1).mean(axis=(0, 2))
    bars = np.array_split(row, NUM_BITS)
    # only the middle of a bar: its borders are blurred by compression
    bits = [bar[len(bar) // 4 : len(bar) - len(bar) // 4].mean() > 128 for bar in bars]
    return int(sum(1 << (NUM_BITS - 1 - k) for k, bit in enumerate(bits) if bit))


def write_video(
    path,
    frames: Iterable[np.ndarray],
    codec: str = 'libx264',
    fps: int = 25,
    pix_fmt: str = 'yuv420p',
    gop: int = 12,
    b_frames: int = 0,
    fmt: str | None = None,
    options: dict | None = None,
) -> Path:
    """Encode RGB uint8 frames ``[H, W, 3]`` into a file; the container follows the extension.

    Args:
        path: Target file (its folder is made).
        frames: RGB frames of one size.
        codec: Any encoder of FFmpeg: ``libx264``, ``mpeg4``, ``mpeg2video``, ``libvpx-vp9`` …
        fps: Frames per second.
        pix_fmt: Pixel format of the stream.
        gop: Frames between key frames.
        b_frames: Number of consecutive B-frames.
        fmt: Container name where the extension does not tell.
        options: Further encoder options, e.g. ``dict(crf='20')``.

    Returns:
        The path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = list(frames)
    with av.open(str(path), 'w', format=fmt) as container:
        stream = container.add_stream(codec, rate=Fraction(fps))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        stream.options = dict({'threads': '1'}, **(options or {}))
        for frame in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def stream_copy_cut(source, target, start: float) -> Path:
    """Copy the packets of ``source`` from ``start`` seconds on without re-encoding.

    As ``ffmpeg -ss START -i SOURCE -c copy TARGET``: the copy begins at the key frame before
    ``start``, and what lies before ``start`` gets negative times, which MP4 keeps as an edit list.
    ``source`` must be an MP4 or MOV (Matroska does not store the decoding times needed here).
    """
    target = Path(target)
    with av.open(str(source)) as reader, av.open(str(target), 'w') as writer:
        stream = reader.streams.video[0]
        copy = writer.add_stream_from_template(stream)
        offset = int(start / stream.time_base)
        reader.seek(offset, stream=stream)
        for packet in reader.demux(stream):
            if packet.dts is None:
                continue
            packet.pts -= offset
            packet.dts -= offset
            packet.stream = copy
            writer.mux(packet)
    return target
