"""Exact frames from video files: ``VideoInit`` opens one by path, ``DecodeFrames`` reads from it.

Flow has readers of its own in ``flow.py``, which the same two transforms use.

decord is fast but finds a frame by counting packets from a key frame, which is right only where
every key frame starts afresh and packets are shown one to one. ``probe_video`` looks at the packets
(no decoding, a few milliseconds) and tells which of three ways of reading is exact:

- ``decord``: MP4/MOV and Matroska/WebM with closed groups of pictures, all packets shown, 8 bits
  per channel. decord seeks to the key frame and counts on.
- ``timestamps``: the same containers otherwise (open groups of pictures, edit lists of
  stream-copied cuts, two frames with one time stamp, AV1, 10 bits). PyAV seeks, then takes the
  frame whose time stamp is that of the wanted packet.
- ``sequential``: everything else (AVI, MPEG program and transport streams, ASF, FLV …). PyAV
  decodes from the start and counts, up to the last wanted frame. (On AVI this costs half of what
  decord needs, since decord converts the frames between as well.)
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import av
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.flow_format import is_flow_comment

try:
    import decord
except ImportError:  # there are no builds for ARM: PyAV reads everything, just as exactly
    decord = None
else:
    decord.logging.set_level(decord.logging.QUIET)

# Containers that give every packet its own display time.
_TIMED_CONTAINERS = {'mov', 'mp4', 'matroska', 'webm'}
# Pixel formats on which decord gives the same values as PyAV (with 10 bits it does not).
_DECORD_FORMATS = {
    'yuv420p',
    'yuvj420p',
    'yuv422p',
    'yuvj422p',
    'yuv444p',
    'yuvj444p',
    'gray',
    'gbrp',
}
# PyAV raises IndexError when damage makes a stream appear in the middle of a transport stream.
_DAMAGE = (av.FFmpegError, IndexError)
_DECODERS = ('auto', 'decord', 'pyav')


@dataclass
class VideoProbe:
    """What the packets of a file tell.

    Attributes:
        total_frames: Frames that a full decode gives.
        fps: Average frames per second (0.0 when the file does not say).
        way: ``'decord'``, ``'timestamps'`` or ``'sequential'``.
        times: Display times of the frames, ascending, in stream ticks (not for ``'sequential'``).
        keys: ``(display time, seek time)`` of the key frames, ascending (likewise).
        comment: The comment in the file's metadata.
    """

    total_frames: int
    fps: float
    way: str
    times: Sequence[int] = ()
    keys: Sequence[tuple] = ()
    comment: str = ''


class _Packet(NamedTuple):
    pts: int | None
    dts: int | None
    key: bool
    shown: bool
    corrupt: bool


def _open(path: str):
    # tags in some other encoding than UTF-8 are no reason to refuse a video
    return av.open(path, metadata_errors='replace')


def _video_stream(container):
    """The stream a player would show; ``None`` when there is none but a cover picture."""
    stream = container.streams.best('video')
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
        return None
    return stream


def _reason(error: Exception) -> str:
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__


def _rgb(frame: av.VideoFrame) -> np.ndarray:
    """Frame as RGB uint8 ``[H, W, 3]``, turned upright as its display matrix says."""
    image = frame.to_ndarray(format='rgb24')
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _decode(container, stream):
    """Frames of the stream from where the container stands, one thread, in display order."""
    for packet in container.demux(stream):
        yield from packet.decode()


def _single_thread(stream, num_threads: int) -> None:
    stream.codec_context.thread_type = 'SLICE' if num_threads == 1 else 'AUTO'
    stream.codec_context.thread_count = num_threads


def _count_frames(path: str, num_threads: int) -> int:
    """Frames that can be decoded before the end, the first error or the first damaged frame."""
    count = 0
    with _open(path) as container:
        stream = _video_stream(container)
        _single_thread(stream, num_threads)
        try:
            for frame in _decode(container, stream):
                if frame.is_corrupt:
                    break
                count += 1
        except _DAMAGE:
            return count
    return count


def _closed_gops(packets) -> bool:
    """Whether all packets before a key frame are shown before it, and all after it later."""
    key_time, latest = packets[0].pts, packets[0].pts - 1
    for packet in packets:
        if packet.pts <= (latest if packet.key else key_time):
            return False
        latest = max(latest, packet.pts)
        key_time = packet.pts if packet.key else key_time
    return True


def _truncated(container, stream, packets) -> str | None:
    """Why the file is truncated, by what its header promises; ``None`` when nothing is missing.

    Headers may be off by a frame or two in sound files, so 2% are tolerated; a packet that the file
    ends in the middle of (``is_corrupt``) never is.
    """
    num_packets = len(packets)
    if packets[-1].corrupt or num_packets < 0.98 * stream.frames - 2:
        return (
            f'truncated: the header promises {stream.frames} frames, '
            f'the file holds {num_packets - packets[-1].corrupt}'
        )
    if 'matroska' in container.format.name:  # promises a duration, no number of frames
        tag = re.fullmatch(r'(\d+):(\d\d):(\d+(?:\.\d*)?)', stream.metadata.get('DURATION', ''))
        promised = None
        if tag:
            promised = 3600 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3])
        elif container.duration and len(container.streams) == 1:
            promised = container.duration / 1e6
        times = [packet.pts for packet in packets if packet.pts is not None]
        if promised and times:
            frame = float(1 / stream.average_rate) if stream.average_rate else 0.04
            shown = float(max(times) * stream.time_base) + frame
            if shown < 0.98 * promised - 3 * frame:
                return (
                    f'truncated: the header promises {promised:.2f} s, the file holds {shown:.2f} s'
                )
    return None


def probe_video(path: str, allow_truncated: bool = False, num_threads: int = 1) -> VideoProbe:
    """Look at a file's packets: how many frames, and how they can be read exactly.

    Args:
        path: A local file.
        allow_truncated: Use what is left of a truncated file instead of calling it bad.
        num_threads: Decoder threads, where frames must be decoded to be counted.

    Returns:
        The probe.

    Raises:
        BadVideoError: Missing, empty, unreadable, truncated, without a video stream or frames.
    """
    if not os.path.isfile(path):
        raise BadVideoError(path, 'is a folder' if os.path.isdir(path) else 'no such file')
    if os.path.getsize(path) == 0:
        raise BadVideoError(path, 'the file is empty (0 bytes)')
    try:
        container = _open(path)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise BadVideoError(path, f'cannot be opened as a video ({_reason(error)})') from error
    with container:
        stream = _video_stream(container)
        if stream is None:
            raise BadVideoError(path, 'holds no video stream')
        if stream.codec_context is None:
            raise BadVideoError(path, 'its codec is unknown')
        packets, broken = [], None
        try:
            for packet in container.demux(stream):
                # 0x7f alone is MPEG-4's "no new frame here", which encoders put first in AVI
                if packet.size > (stream.codec_context.name == 'mpeg4'):
                    packets.append(
                        _Packet(
                            packet.pts,
                            packet.dts,
                            packet.is_keyframe,
                            not packet.is_discard,
                            packet.is_corrupt,
                        )
                    )
        except _DAMAGE as error:
            broken = f'damaged after {len(packets)} frames ({_reason(error)})'
        if not packets:
            raise BadVideoError(path, broken or 'its video stream holds no frames')
        broken = broken or _truncated(container, stream, packets)
        if broken and not allow_truncated:
            raise BadVideoError(path, broken)
        fps = float(stream.average_rate or 0)
        comment = container.metadata.get('comment', '')
        sound = packets[0].key and not broken
        shown = [packet for packet in packets if packet.shown]
        stamps = [packet.pts for packet in packets if packet.pts is not None]
        timed = len(stamps) == len(packets) and bool(
            _TIMED_CONTAINERS & set(container.format.name.split(','))
        )
        if sound and timed:
            times = sorted(pts for pts, packet in zip(stamps, packets) if packet.shown)
            keys = sorted(
                (pts, pts if packet.dts is None else packet.dts)
                for pts, packet in zip(stamps, packets)
                if packet.key
            )
            counts = Counter(times)
            simple = (
                len(counts) == len(packets)
                and _closed_gops(packets)
                and stream.codec_context.pix_fmt in _DECORD_FORMATS
                and stream.codec_context.codec.canonical_name != 'av1'
            )
            if all(counts[time] <= 1 for time, _ in keys):
                return VideoProbe(
                    len(shown), fps, 'decord' if simple else 'timestamps', times, keys, comment
                )
        # In these containers a packet is a frame. Elsewhere it may be half of one, decoders drop
        # what comes before the first key frame, and what is left of a damaged file only decoding
        # tells.
        exact = sound and (timed or container.format.name == 'avi')
    total = len(shown) if exact else _count_frames(path, num_threads)
    if total == 0:
        raise BadVideoError(path, f'{broken or "damaged"}; no frame of it can be decoded')
    return VideoProbe(total, fps, 'sequential', comment=comment)


class VideoSource:
    """A video file that gives exact frames by number; holds no open file between calls.

    Args:
        path: A local file.
        num_threads: Decoder threads.
        decoder: ``'auto'`` (decord where it is exact, else PyAV), ``'decord'`` or ``'pyav'``.
        allow_truncated: As in :func:`probe_video`.

    Raises:
        BadVideoError: The file cannot be used, or holds optical flow; with ``decoder='decord'``
            also when decord would not be exact.
    """

    _image = staticmethod(_rgb)  # frame as an array [H, W, 3] uint8

    def __init__(
        self, path, num_threads: int = 1, decoder: str = 'auto', allow_truncated: bool = False
    ) -> None:
        self.path = os.fspath(path)
        self.num_threads = num_threads
        self.decoder = decoder
        self.probe = probe_video(self.path, allow_truncated, num_threads)
        self._check_contents()
        if decoder == 'decord' and self.probe.way != 'decord':
            raise BadVideoError(
                path, "decord does not find frames exactly in this file; use decoder='auto'"
            )

    def __len__(self) -> int:
        return self.probe.total_frames

    @property
    def fps(self) -> float:
        """Average frames per second; 0.0 when the file does not say."""
        return self.probe.fps

    def _check_contents(self) -> None:
        if is_flow_comment(self.probe.comment):
            raise BadVideoError(self.path, "holds optical flow: read it with modality='Flow'")

    def get_frames(self, indices: Sequence[int]) -> dict:
        """Read frames.

        Args:
            indices: Frame numbers in ``[0, len(self))``, any order, repeats allowed.

        Returns:
            dict: frame number -> RGB uint8 array ``[H, W, 3]``.

        Raises:
            BadVideoError: Fewer frames can be decoded than the file promised.
        """
        wanted = sorted({int(index) for index in indices})
        if not wanted or wanted[0] < 0 or wanted[-1] >= len(self):
            raise IndexError(
                f'frames {wanted[:1]}..{wanted[-1:]} of {self.path}, which has {len(self)} frames'
            )
        if self.probe.way == 'decord' and self.decoder != 'pyav' and decord is not None:
            try:
                return self._read_decord(wanted)
            except (decord.DECORDError, RuntimeError) as error:
                # sound files on which decord fails exist (frames 48 or 72 pixels wide)
                if self.decoder == 'decord':
                    raise BadVideoError(
                        self.path, f'decord: {str(error).splitlines()[0]}'
                    ) from error
        try:
            frames = (
                self._read_sequential if self.probe.way == 'sequential' else self._read_by_time
            )(wanted)
        except _DAMAGE as error:
            raise BadVideoError(self.path, f'cannot be decoded ({_reason(error)})') from error
        missing = len(wanted) - len(frames)
        if missing:
            raise BadVideoError(
                self.path,
                f'damaged: {missing} of the {len(wanted)} frames asked '
                f'for (last: {wanted[-1]}) cannot be decoded',
            )
        return frames

    def iter_frames(self) -> Iterator[np.ndarray]:
        """All frames in their order, each decoded once: RGB uint8 arrays ``[H, W, 3]``.

        Raises:
            BadVideoError: Fewer frames can be decoded than the file promised.
        """
        done = 0
        try:
            with _open(self.path) as container:
                stream = _video_stream(container)
                _single_thread(stream, self.num_threads)
                numbered = (
                    enumerate(_decode(container, stream))
                    if self.probe.way == 'sequential'
                    else self._from_key(container, stream, 0)
                )
                for number, frame in numbered:
                    if number == done < len(self):  # else not shown (before a cut's start)
                        yield self._image(frame)
                        done += 1
        except _DAMAGE as error:
            if done < len(self):
                raise BadVideoError(self.path, f'cannot be decoded ({_reason(error)})') from error
        if done < len(self):
            raise BadVideoError(
                self.path, f'damaged: only {done} of its {len(self)} frames can be decoded'
            )

    def _read_decord(self, wanted):
        reader = decord.VideoReader(self.path, num_threads=self.num_threads)
        if len(reader) != len(self):
            raise RuntimeError(f'sees {len(reader)} frames instead of {len(self)}')
        return dict(zip(wanted, reader.get_batch(wanted).asnumpy()))

    def _read_sequential(self, wanted):
        missing, frames = set(wanted), {}
        with _open(self.path) as container:
            stream = _video_stream(container)
            _single_thread(stream, self.num_threads)
            for index, frame in enumerate(_decode(container, stream)):
                if index in missing:
                    frames[index] = self._image(frame)
                if index >= wanted[-1]:
                    break
        return frames

    def _read_by_time(self, wanted):
        times, frames = self.probe.times, {}
        key_times = [key[0] for key in self.probe.keys]
        with _open(self.path) as container:
            stream = _video_stream(container)
            _single_thread(stream, self.num_threads)
            reader, last_key = None, 0
            for index in wanted:
                # the first key frame also serves what is shown before it (leading pictures)
                key = max(bisect_right(key_times, times[index]) - 1, 0)
                if reader is None or key > last_key + 1:
                    reader = self._from_key(container, stream, key)
                last_key = key
                for number, frame in reader:
                    if number >= index:
                        if number == index:
                            frames[index] = self._image(frame)
                        break
        return frames

    def _from_key(self, container, stream, key):
        """Decode from key frame number ``key`` on: pairs of frame number and frame."""
        times, keys = self.probe.times, self.probe.keys
        # Demuxers seek by decoding time and may land one key frame too late: then go back further.
        while True:
            container.seek(keys[key][1] if key else min(keys[0]), stream=stream)
            packets = container.demux(stream)
            first = next(packets)
            if key == 0 or (first.pts is not None and first.pts <= keys[key][0]):
                break
            key -= 1
        number, time = -1, None
        for frame in chain(first.decode(), (frame for each in packets for frame in each.decode())):
            if frame.pts is not None:
                # frames shown at one time (a common fault of re-encoded files) are counted
                number = number + 1 if frame.pts == time else bisect_left(times, frame.pts)
                time = frame.pts
                yield number, frame


# What opens a file of each modality; see transforms/flow_input.py for the other one.
SOURCES: dict[str, Callable[..., Any]] = dict(RGB=VideoSource)


@TRANSFORMS.register_module()
class VideoInit(BaseTransform):
    """Open a video by its path and find out how many frames it has.

    Required keys: ``filename``, ``modality`` (``'RGB'`` if not there). Added keys: ``total_frames``
    (int), ``avg_fps`` (float), ``video_reader`` (:class:`VideoSource`, or for ``'Flow'``
    :class:`FlowVideo` or :class:`FlowFolder`, whose frames are (u, v, 128)).

    A truncated file (the header promises more than the file holds) is bad, unless
    ``allow_truncated=True``: then what can be decoded of it counts as the whole video.

    Args:
        num_threads: Decoder threads per file.
        decoder: ``'auto'`` uses decord where it is exact and PyAV elsewhere; ``'pyav'`` always uses
            PyAV (exact too); ``'decord'`` calls files bad on which decord is not exact. Flow is
            always read by PyAV.
        allow_truncated: See above.

    Raises:
        BadVideoError: At transform time, for a file that cannot be used.
    """

    def __init__(
        self, num_threads: int = 1, decoder: str = 'auto', allow_truncated: bool = False
    ) -> None:
        if decoder not in _DECODERS:
            raise ValueError(f'VideoInit: decoder must be one of {_DECODERS}, got {decoder!r}')
        if not isinstance(num_threads, int) or num_threads < 1:
            # 0 would let decord choose; a reader with its own pool aborts in a forked worker
            raise ValueError(f'VideoInit: num_threads must be at least 1, got {num_threads!r}')
        if decoder == 'decord' and decord is None:
            raise ImportError("VideoInit: decord is not installed; use decoder='auto'")
        self.num_threads = num_threads
        self.decoder = decoder
        self.allow_truncated = allow_truncated

    def transform(self, results: dict) -> dict:
        open_source = SOURCES[results.get('modality', 'RGB')]
        source = open_source(
            results['filename'], self.num_threads, self.decoder, self.allow_truncated
        )
        results['video_reader'] = source
        results['total_frames'] = len(source)
        results['avg_fps'] = source.fps
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(num_threads={self.num_threads}, '
            f'decoder={self.decoder!r}, allow_truncated={self.allow_truncated})'
        )


@TRANSFORMS.register_module()
class DecodeFrames(BaseTransform):
    """Read the sampled frames and let go of the reader.

    Required keys: ``video_reader``, ``frame_inds`` (int array, any shape). Added keys: ``imgs``
    (list of uint8 arrays ``[H, W, 3]``, RGB or flow, in the order of ``frame_inds``),
    ``original_shape`` and ``img_shape`` (H, W). Removed: ``video_reader``.

    A rotation in the file's metadata (phone videos) is applied, as players and decord do.

    Raises:
        BadVideoError: Some of the frames cannot be decoded.
    """

    def transform(self, results: dict) -> dict:
        source = results.pop('video_reader')
        indices = np.asarray(results['frame_inds']).reshape(-1)
        frames = source.get_frames(indices)
        seen, imgs = set(), []
        for index in indices.tolist():
            # a frame that occurs twice is copied: later transforms may work in place
            imgs.append(frames[index].copy() if index in seen else frames[index])
            seen.add(index)
        shapes = {img.shape for img in imgs}
        if len(shapes) > 1:
            raise BadVideoError(source.path, f'its frames change size: {sorted(shapes)}')
        results['imgs'] = imgs
        results['original_shape'] = results['img_shape'] = imgs[0].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
