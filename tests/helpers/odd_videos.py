"""Writes videos that are sound but unusual, as cameras, cutters and players leave them.

All start from files of :func:`helpers.videos.write_video`, whose frames carry their numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mmssl_video.datasets.decoding.container import open_container


def plain_decode(path) -> list[np.ndarray]:
    """All frames as PyAV decodes them from the start: RGB ``[H, W, 3]``, upright.

    Raises:
        av.FFmpegError: At damage.
    """
    frames = []
    with open_container(path) as container:
        for frame in container.decode(video=0):
            if frame.is_corrupt:
                raise av.InvalidDataError(0, 'a frame is damaged')
            turns = round(frame.rotation / 90) % 4
            frames.append(np.rot90(frame.to_ndarray(format='rgb24'), turns))
    return frames


def remux(source, target, change: Callable | None = None, options: dict | None = None) -> Path:
    """Copy packets into another file without encoding them anew.

    Args:
        source, target: Files; the container follows the target's suffix.
        change: Is called with (number, packet) and may set its times; returns False to leave the
            packet out.
        options: Of the container.
    """
    with (
        av.open(f'file:{source}') as reader,
        av.open(f'file:{target}', 'w', options=options or {}) as writer,
    ):
        stream = reader.streams.video[0]
        copy = writer.add_stream_from_template(stream)
        for number, packet in enumerate(each for each in reader.demux(stream) if each.size):
            if change is None or change(number, packet) is not False:
                packet.stream = copy
                writer.mux(packet)
    return Path(target)


def with_empty_chunks(source, target, every: int = 7, gap: int = 2) -> Path:
    """An AVI with ``gap`` empty chunks after each ``every`` frames (dropped frames).

    The source must be an AVI without B-frames.
    """

    def later(number, packet):
        packet.pts = packet.dts = number + number // every * gap

    return remux(source, target, later)


def with_variable_rate(source, target, rng: np.random.Generator) -> Path:
    """An MP4, MOV or Matroska whose frames are shown for times of random length (no B-frames)."""
    with av.open(str(source)) as container:
        tick = int(Fraction(1, 100) / container.streams.video[0].time_base)
        count = sum(packet.size > 0 for packet in container.demux(video=0))
    times = tick * np.cumsum(rng.integers(1, 30, count))

    def at_its_time(number, packet):
        packet.pts = packet.dts = int(times[number])

    return remux(source, target, at_its_time)


def with_edit_list(source, target, start: int | None = None, length: int | None = None) -> Path:
    """An MP4 or MOV with another entry in its edit list: trimmed without touching the frames.

    Args:
        source, target: Files; the source has an edit list of one entry.
        start: First time that is shown, in ticks of the video.
        length: How long, in ticks of the file (1/1000 s).
    """
    content = bytearray(Path(source).read_bytes())
    where = content.index(b'elst')
    assert struct.unpack_from('>I', content, where + 8) == (1,)
    if length is not None:
        struct.pack_into('>I', content, where + 12, length)
    if start is not None:
        struct.pack_into('>i', content, where + 16, start)
    Path(target).write_bytes(content)
    return Path(target)


def rotated(source, target) -> Path:
    """An MP4 or MOV that asks players to turn it by 90 degrees."""
    content = bytearray(Path(source).read_bytes())
    where = content.index(b'tkhd') + 44
    one = 1 << 16
    struct.pack_into('>9i', content, where, 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    Path(target).write_bytes(content)
    return Path(target)


def joined(sources: Sequence, target, starts: Sequence[float]) -> Path:
    """Files one after the other without encoding them anew, each from its second ``starts`` on.

    Where they overlap, times are pushed apart as little as the container demands, as ``ffmpeg -f
    concat -c copy`` does it.
    """
    with av.open(f'file:{target}', 'w') as writer:
        copy = last = None
        for source, start in zip(sources, starts):
            with av.open(f'file:{source}') as reader:
                stream = reader.streams.video[0]
                copy = copy or writer.add_stream_from_template(stream)
                for packet in reader.demux(stream):
                    if packet.dts is None:
                        continue
                    packet.pts += int(start / stream.time_base)
                    packet.dts += int(start / stream.time_base)
                    if last is not None and packet.dts <= last:
                        packet.dts = last + 1
                        packet.pts = max(packet.pts, packet.dts)
                    last = packet.dts
                    packet.stream = copy
                    writer.mux(packet)
    return Path(target)
