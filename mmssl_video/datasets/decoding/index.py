"""``probe_video``: how many frames a file has, and how each of them is found.

It looks at the packets (a few milliseconds, nothing is decoded) and tells which way of reading
gives what decoding the whole file from its start gives:

- ``seek``: MP4/MOV and Matroska/WebM, whose packets have display times. The reader goes to the last
  frame before the wanted one at which decoding can begin afresh, and takes the frame that has the
  wanted time. Marks of the container are not trusted: :mod:`.key_frames` looks at the frames.
- ``count``: everything else (AVI, MPEG program and transport streams, ASF, FLV …; files joined so
  that their times overlap; codecs that are not known). The reader decodes from the start and
  counts. In an AVI the packets tell the number of frames; elsewhere they are decoded once to be
  counted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import av

from mmssl_video.datasets.decoding.completeness import lacks_index, structure_of
from mmssl_video.datasets.decoding.container import (
    DAMAGE,
    open_container,
    reason,
    sound_frames,
    use_threads,
    video_stream,
)
from mmssl_video.datasets.decoding.key_frames import PacketReader
from mmssl_video.datasets.errors import BadVideoError

# Containers that give every packet its own display time.
_TIMED_CONTAINERS = {'mov', 'mp4', 'matroska', 'webm'}
_ADVICE = 'VideoInit(allow_truncated=True) reads what lies before'


@dataclass
class VideoProbe:
    """What the packets of a file tell.

    Attributes:
        total_frames: Frames that a full decode gives.
        fps: Average frames per second (0.0 when the file does not say).
        way: ``'seek'`` or ``'count'``.
        times: Display times of the frames, ascending, in stream ticks (not for ``'count'``).
        keys: ``(display time, seek time)`` of the frames at which decoding can begin, ascending
            (likewise).
        clean: Whether all that the first frames refer to is there (see
            :func:`~.container.sound_frames`).
        comment: The comment in the file's metadata.
    """

    total_frames: int
    fps: float
    way: str
    times: Sequence[int] = ()
    keys: Sequence[tuple] = ()
    clean: bool = True
    comment: str = ''


class _Packet(NamedTuple):
    pts: int | None
    dts: int | None
    fresh: bool  # decoding can begin here
    frames: int  # frames that it shows
    discard: bool  # before the start that an edit list sets
    corrupt: bool
    position: int  # in the file, bytes; -1 where not known


def probe_video(path: str, allow_truncated: bool = False, num_threads: int = 1) -> VideoProbe:
    """Look at a file's packets: how many frames, and how they can be read exactly.

    Args:
        path: A local file.
        allow_truncated: Use what lies before the cut or the damage instead of calling the file bad.
        num_threads: Decoder threads, where frames must be decoded to be counted.

    Returns:
        The probe.

    Raises:
        BadVideoError: Missing, empty, unreadable, truncated, damaged, without a video stream or
            frames.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise BadVideoError(path, 'is a folder' if os.path.isdir(path) else 'no such file')
    if os.path.getsize(path) == 0:
        raise BadVideoError(path, 'the file is empty (0 bytes)')
    try:
        container = open_container(path)
    except (av.FFmpegError, OSError, ValueError) as error:
        why = reason(error)
        if isinstance(error, av.FFmpegError) and lacks_index(path):
            why = 'truncated: it ends before its index of frames'
        raise BadVideoError(path, f'cannot be opened as a video ({why})') from error
    with container:
        stream = video_stream(container)
        if stream is None:
            raise BadVideoError(path, 'holds no video stream')
        if stream.codec_context is None:
            raise BadVideoError(path, 'its codec is unknown')
        reader = PacketReader(stream)
        packets, broken = [], None
        try:
            for packet in container.demux(stream):
                if packet.size:
                    packets.append(
                        _Packet(
                            packet.pts,
                            packet.dts,
                            reader.starts_afresh(packet),
                            reader.num_frames(packet),
                            packet.is_discard,
                            packet.is_corrupt,
                            -1 if packet.pos is None else packet.pos,
                        )
                    )
        except DAMAGE as error:
            broken = f'damaged after {len(packets)} frames ({reason(error)})'
        if not packets:
            raise BadVideoError(path, broken or 'its video stream holds no frames')
        intact = None  # so many packets are surely sound
        if broken:
            intact = max(len(packets) - 1, 0)
        else:
            broken, intact = _missing(path, container, stream, packets)
        if broken and not allow_truncated:
            raise BadVideoError(path, f'{broken}; {_ADVICE}')
        fps = float(stream.average_rate or 0)
        comment = container.metadata.get('comment', '')
        timed = bool(_TIMED_CONTAINERS & set(container.format.name.split(',')))
        if timed and not broken and _can_seek(packets):
            times = sorted(
                each.pts
                for each in packets
                if each.frames and not each.discard and each.pts is not None
            )
            keys = sorted(
                (each.pts, each.pts if each.dts is None else each.dts)
                for each in packets
                if each.fresh
            )
            if not times:
                raise BadVideoError(path, 'its edit list shows none of its frames')
            return VideoProbe(len(times), fps, 'seek', times, keys, comment=comment)
        clean = _starts_clean(packets, reader)
        if container.format.name == 'avi' and not broken and clean:
            total = _total_in_avi(packets, reader.packed)
            if total is not None:
                return VideoProbe(total, fps, 'count', comment=comment)
    # Elsewhere a packet may be half of a frame, or none.
    total, damage = _count_frames(path, num_threads, clean, intact)
    if damage and not allow_truncated:
        raise BadVideoError(path, f'damaged after {total} frames ({damage}); {_ADVICE}')
    if total == 0:
        raise BadVideoError(path, f'{broken or "damaged"}; no frame of it can be decoded')
    return VideoProbe(total, fps, 'count', clean=clean, comment=comment)


def _missing(path, container, stream, packets) -> tuple[str | None, int | None]:
    """In which way frames are missing (if any are), and how many packets are surely sound."""
    promised, found = stream.frames, len(packets)
    ends_whole = not packets[-1].corrupt
    container_format = container.format.name
    if ends_whole and found == promised and 'matroska' not in container_format:
        return None, None  # the ordinary case; Matroska does not count its frames
    number = stream.id if container_format == 'mpegts' else stream.index
    structure = structure_of(path, container_format, number)
    broken_at = structure.broken_at
    if broken_at is not None and container_format == 'avi' and structure.chunks >= promised > 0:
        broken_at = None  # by the header's word nothing came after the last chunk
    if broken_at is None and 'matroska' in container_format and found < structure.chunks:
        return f'damaged: only {found} of its {structure.chunks} frames are to be found', 0
    # (older PyAV does not show the index)
    listed = len(getattr(stream, 'index_entries', ())) if 'mp4' in container_format else 0
    if broken_at is None:
        if (ends_whole and found >= listed) or container_format == 'mpegts':
            return None, None
        broken_at = packets[-1].position
    before = [packet.position < broken_at for packet in packets]
    intact = min(before.index(False) if False in before else found, found - (not ends_whole))
    of = f' of the {promised} frames that its header promises' if promised else ' frames'
    if found - intact > 1 and container_format != 'mpeg':  # there frames share a part
        why = f'damaged: its container is broken after {intact}{of}'
    else:
        why = f'truncated: it ends in the middle, after {intact}{of}'
    # a break is noticed where the next part should begin: the one before it may be hurt as well
    return why, max(intact - 1, 0)


def _starts_clean(packets, reader: PacketReader) -> bool:
    """Whether the decoder has all that the first frames need (in a cut-out it may not)."""
    if not reader.knows_codec:
        return True
    first = packets[0]
    return first.fresh and not (
        first.pts is not None
        and any(each.pts is not None and each.pts < first.pts for each in packets[1:20])
    )


def _can_seek(packets) -> bool:
    """Whether the packets' times give the order in which a decoder shows the frames.

    Every stretch from one fresh start to the next must be shown after all that is stored before it.
    (With open groups of pictures some of its frames are shown before its first: that is no harm,
    but at the start of the file, where what they refer to is not there.)
    """
    first = packets[0]
    if not first.fresh or any(each.pts is None or each.frames > 1 for each in packets):
        return False
    latest = shown_before = None
    for packet in packets:
        if not packet.frames:
            continue
        if packet.fresh:
            shown_before = latest
            if shown_before is not None and packet.pts <= shown_before:
                return False
        if shown_before is None:
            if packet.pts < first.pts and not packet.discard:
                return False
        elif packet.pts <= shown_before:
            return False
        latest = packet.pts if latest is None else max(latest, packet.pts)
    return True


def _total_in_avi(packets, packed: bool) -> int | None:
    """Frames that decoding all packets gives; ``None`` where only decoding tells.

    A packet is a frame, in "packed" MPEG-4 too: there a packet of two VOPs makes every later one
    give the VOP that was held back, up to an empty one. What is held back at the end is lost.
    """
    total, held = 0, False
    for packet in packets:
        if packet.frames > 1 and (held or not packed or packet.frames > 2):
            return None
        total += held or packet.frames > 0
        held = packet.frames == 2 or (held and packet.frames == 1)
    return total


def _count_frames(
    path: str, num_threads: int, clean: bool, max_packets: int | None = None
) -> tuple[int, str | None]:
    """Frames that can be decoded, and what stopped that before the end (or ``None``)."""
    count = 0
    with open_container(path) as container:
        stream = video_stream(container)
        use_threads(stream, num_threads)
        try:
            for _ in sound_frames(container, stream, clean, max_packets):
                count += 1
        except DAMAGE as error:
            return count, reason(error)
    return count, None
