"""What PyAV needs to open a local file and to decode its pictures one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter


class DamagedFrameError(Exception):
    """The decoder itself says that a frame is not what was encoded (lost or concealed parts)."""

    strerror = 'a frame is damaged'


# PyAV raises IndexError when damage makes a stream appear in the middle of a transport stream.
DAMAGE = (av.FFmpegError, IndexError, DamagedFrameError)
# Tags in another encoding than UTF-8 are no reason to refuse a video. PyAV 19 thinks so too and has
# no such option any more.
_TAGS: dict[str, Any] = (
    dict(metadata_errors='replace') if int(av.__version__.split('.')[0]) < 19 else {}
)


def open_container(path: str):
    """Open a local file, whatever its name looks like.

    Raises:
        av.FFmpegError: It is no video.
    """
    # without the scheme, 'a:b.mp4' would be read as protocol 'a'
    return av.open(f'file:{path}', **_TAGS)


def video_stream(container):
    """The stream a player would show; ``None`` when there is none but a cover picture."""
    stream = container.streams.best('video')
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
        return None
    return stream


def reason(error: Exception) -> str:
    """What went wrong, in FFmpeg's words."""
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__


def use_threads(stream, num_threads: int) -> None:
    """Decode with so many threads; one needs no frame-wise threading, which delays frames."""
    stream.codec_context.thread_type = 'SLICE' if num_threads == 1 else 'AUTO'
    stream.codec_context.thread_count = num_threads


def decode(container, stream, max_packets: int | None = None) -> Iterator[av.VideoFrame]:
    """Frames of the stream in display order from where the container stands, damaged ones too.

    Args:
        container, stream: As opened.
        max_packets: Decode no more than these, and leave in the decoder what it would not show
            before the next: a frame that must be shown earlier may be among those to come.
    """
    transport = container.format.name == 'mpegts'
    used = 0
    for packet in container.demux(stream):
        if packet.size:
            if used == max_packets:
                return
            used += 1
        if transport and packet.is_corrupt:
            # "a packet number was skipped", as where files were joined: whether something is
            # missing the decoder finds out
            packet.is_corrupt = False
        yield from packet.decode()


def sound_frames(
    container, stream, clean: bool = True, max_packets: int | None = None
) -> Iterator[av.VideoFrame]:
    """Frames of the stream from its start, in display order.

    Args:
        container, stream: As opened.
        clean: Whether the first frames refer to nothing that lies before them. In a file that was
            cut from another they may; then frames before the first sound one are left out.
        max_packets: As in :func:`decode`.

    Raises:
        DamagedFrameError: At a damaged frame after that.
    """
    begun = clean
    for frame in decode(container, stream, max_packets):
        if not frame.is_corrupt:
            begun = True
            yield frame
        elif begun:
            raise DamagedFrameError


def rgb_converter() -> Callable[[av.VideoFrame], np.ndarray]:
    """Function that turns a frame into RGB uint8 ``[H, W, 3]``, upright by its display matrix."""
    reformatter = VideoReformatter()  # to set one up takes longer than to use it

    def as_rgb(frame: av.VideoFrame) -> np.ndarray:
        image = reformatter.reformat(frame, format='rgb24').to_ndarray()
        turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image

    return as_rgb
