"""Whether a file was cut off or damaged, by how its container's parts follow one another.

The number of frames in a header does not tell: an AVI counts the empty chunks that stand for
dropped frames, an MP4 those that its edit list leaves out. What does: every part says how long it
is, so that in a whole file the parts end where the file ends, and the frames lie in certain parts.
"""

from __future__ import annotations

import mmap
import struct
from typing import NamedTuple

import numpy as np


class Structure(NamedTuple):
    """How the parts of a file follow one another.

    Attributes:
        broken_at: Where the last part begins that is whole only in part, or where something stands
            that does not belong there, in bytes; frames are lost from there on. ``None``: all fits.
        chunks: Parts up to there that hold a video frame or stand for one (AVI, Matroska; else 0).
    """

    broken_at: int | None = None
    chunks: int = 0


def structure_of(path: str, container_format: str, stream: int = 0) -> Structure:
    """Walk through a file.

    Args:
        path: The file, not empty.
        container_format: FFmpeg's name of the demuxer.
        stream: Number of the video stream (its id in a transport stream).

    Returns:
        What was found; containers that make no promise are whole.
    """
    names = set(container_format.split(','))
    for kinds, walk in _WALKS.items():
        if names & set(kinds):
            with _mapped(path) as data:
                return walk(data, stream)
    return Structure()


def lacks_index(path: str) -> bool:
    """Whether this is an MP4 or MOV file without the part that says where its frames lie."""
    with _mapped(path) as data:
        boxes = {kind: end <= len(data) for kind, end, _ in _boxes(data)}
    return b'ftyp' in boxes and not boxes.get(b'moov')


def _mapped(path: str) -> mmap.mmap:
    with open(path, 'rb') as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


# ------------------------------------------------------------------------------ MP4, MOV


def _boxes(data):
    """``(kind, end, open)`` of the boxes at the top; ``open``: it reaches to the file's end."""
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from('>I4s', data, position)
        if size == 1 and position + 16 <= len(data):
            size = struct.unpack_from('>Q', data, position + 8)[0]
        if size and size < 8:
            return
        end = position + size if size else len(data)
        yield kind, end, size == 0
        position = end


def _walk_mp4(data, stream) -> Structure:
    for kind, end, is_open in _boxes(data):
        if kind in (b'mdat', b'moof') and (end > len(data) or is_open):
            return Structure(broken_at=len(data))
    return Structure()


# ------------------------------------------------------------------------------ AVI


def _walk_avi(data, stream) -> Structure:
    """Every chunk of every ``movi`` list, one after the other."""
    ours = (b'%02ddc' % stream, b'%02ddb' % stream)
    chunks, position, index_follows = 0, 0, False
    stack: list[int] = []  # ends of the lists around `position`
    while position + 8 <= len(data):
        while stack and position >= stack[-1]:
            stack.pop()
        kind, size = struct.unpack_from('<4sI', data, position)
        end = position + 8 + size
        if kind in (b'RIFF', b'LIST') and position + 12 <= len(data):
            inner = bytes(data[position + 8 : position + 12])
            if kind == b'RIFF' or inner in (b'movi', b'rec '):
                index_follows = index_follows and kind == b'RIFF'
                if end > position + 8:  # lists of an unfinished recording have no size yet
                    stack.append(end)
                position += 12
                continue
            frames = False
        else:
            digits = kind[:2].isdigit()
            frames = digits and kind[2:] in (b'dc', b'db')
            index_follows = index_follows or kind == b'idx1'
            if (
                len(stack) > 1
                and not (  # inside of movi
                    kind in (b'idx1', b'JUNK', b'junk')
                    or kind[:2] == b'ix'
                    or (digits and kind[2:] in (b'dc', b'db', b'wb', b'tx', b'pc', b'ix'))
                )
            ):
                return Structure(position, chunks)
        if end > len(data):
            return Structure(position if frames or not index_follows else None, chunks)
        chunks += kind in ours
        position = end + (size & 1)
    missing = bool(stack) and max(stack) > len(data) + 1 and not index_follows
    return Structure(position if missing else None, chunks)


# ------------------------------------------------------------------------------ Matroska, WebM

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_TRACKS, _BLOCK_GROUP, _SIMPLE_BLOCK, _BLOCK = 0x1654AE6B, 0xA0, 0xA3, 0xA1
# SeekHead, Info, Tracks, Cues, Tags, Chapters, Attachments, Void, CRC-32
_BESIDE_CLUSTERS = {
    *(0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469),
    *(0xEC, 0xBF),
}
# Timestamp, SilentTracks, Position, PrevSize, SimpleBlock, BlockGroup, EncryptedBlock, Void, CRC-32
_IN_CLUSTER = {0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0xEC, 0xBF}


def _element(data, position):
    """``(id, start of the content, its size or None where unknown)``; None at the file's end."""
    if position >= len(data):
        return None
    id_size = 9 - data[position].bit_length()
    where = position + id_size
    if id_size > 4 or where > len(data):
        return 0, where, 0
    number = int.from_bytes(data[position:where], 'big')
    if where == len(data):
        return number, where, 1
    length = 9 - data[where].bit_length()
    start = where + length
    if length > 8 or start > len(data):
        return number, start, 1
    size = int.from_bytes(data[where:start], 'big') & ((1 << 7 * length) - 1)
    return number, start, None if size == (1 << 7 * length) - 1 else size


def _elements(data, position, end):
    """``(id, start, end)`` of the elements in a part of the file."""
    while position < end:
        number, position, size = _element(data, position) or (0, end, 0)
        if size is None or position + size > end:
            return
        yield number, position, position + size
        position += size


def _track_numbers(data, start, end) -> list[int]:
    """Numbers of the tracks in their order (TrackEntry, TrackNumber)."""
    return [
        int.from_bytes(data[first:last], 'big')
        for entry, begin, stop in _elements(data, start, end)
        if entry == 0xAE
        for number, first, last in _elements(data, begin, stop)
        if number == 0xD7
    ]


def _track_of_block(data, number, start, end) -> int | None:
    if number == _BLOCK_GROUP:
        blocks = (first for kind, first, _ in _elements(data, start, end) if kind == _BLOCK)
        start = next(blocks, end)
    if start >= end:
        return None
    length = 9 - data[start].bit_length()
    return int.from_bytes(data[start : start + length], 'big') & ((1 << 7 * length) - 1)


def _walk_matroska(data, stream) -> Structure:
    number, position, size = _element(data, 0)
    if number != _EBML:
        return Structure()
    number, position, size = _element(data, position + (size or 0)) or (0, 0, 0)
    if number != _SEGMENT:
        return Structure(broken_at=0)
    segment_end = None if size is None else position + size
    inside, last = None, None  # end of the open cluster (0: unknown), kind of the last element
    cluster, track, blocks = position, None, 0
    while segment_end is None or position < segment_end:
        if inside and position >= inside:
            if position > inside:
                return Structure(cluster, blocks)  # somewhere in it
            inside = None
        element = _element(data, position)
        if element is None:
            # a recording without sizes may end anywhere; one with a size must not end in clusters
            promised = inside or (segment_end is not None and last == _CLUSTER)
            return Structure(position if promised else None, blocks)
        number, start, size = element
        if number == _CLUSTER and not inside:
            inside = 0 if size is None else start + size
            cluster, last, position = position, number, start
            continue
        if number in _IN_CLUSTER and inside is not None:
            last = _CLUSTER
        elif number in _BESIDE_CLUSTERS and not inside:
            inside, last = None, number
        elif number == _CLUSTER or number in _BESIDE_CLUSTERS:
            return Structure(cluster, blocks)  # it is shorter than it says
        else:
            return Structure(position, blocks)
        if size is None or start + size > len(data):
            return Structure(position if last == _CLUSTER else None, blocks)
        if number == _TRACKS:
            numbers = _track_numbers(data, start, start + size)
            track = numbers[stream] if stream < len(numbers) else None
        elif number in (_SIMPLE_BLOCK, _BLOCK_GROUP) and last == _CLUSTER:
            blocks += _track_of_block(data, number, start, start + size) == track
        position = start + size
    return Structure(chunks=blocks)


# ------------------------------------------------------------------------------ others

_ASF_DATA = bytes.fromhex('3626b2758e66cf11a6d900aa0062ce6c')


def _walk_asf(data, stream) -> Structure:
    position = 0
    while position + 24 <= len(data):
        (size,) = struct.unpack_from('<Q', data, position + 16)
        if data[position : position + 16] == _ASF_DATA:
            return Structure(
                broken_at=len(data) if size > 50 and position + size > len(data) else None
            )
        if size < 24:
            break
        position += size
    return Structure()


def _walk_flv(data, stream) -> Structure:
    where = data.find(b'filesize\0', 0, 4096)
    if where < 0:
        return Structure()
    (promised,) = struct.unpack_from('>d', data, where + 9)
    return Structure(broken_at=len(data) if len(data) < promised < 2**53 else None)


def _walk_program(data, stream) -> Structure:
    """Packets with a length, and in front of some of them a pack header."""
    position = 0
    while position + 6 <= len(data):
        if data[position : position + 3] != b'\0\0\1' or data[position + 3] < 0xB9:
            return Structure()  # no promise: something else follows, such as empty sectors
        kind = data[position + 3]
        if kind == 0xB9:
            end = position + 4
        elif kind == 0xBA:
            # of MPEG-1, or of MPEG-2 with stuffing
            is_first = data[position + 4] >> 6 != 1
            end = position + 12
            if not is_first and position + 14 <= len(data):
                end = position + 14 + (data[position + 13] & 7)
        else:
            end = position + 6 + int.from_bytes(data[position + 4 : position + 6], 'big')
        if end > len(data):
            return Structure(broken_at=position)
        position = end
    return Structure(broken_at=position if position < len(data) else None)


def _walk_transport(data, stream) -> Structure:
    """Packets of 188 bytes (192 on discs), numbered modulo 16 for each stream.

    A number that is skipped means a loss, but where a file begins that was joined to another:
    there a programme table comes first.
    """
    size = 192 if data[0] != 0x47 and len(data) > 4 and data[4] == 0x47 else 188
    count = len(data) // size
    packets = np.frombuffer(data, np.uint8, count * size).reshape(count, size)[:, -188:]
    packets = packets[:, :6].copy()  # of the file itself no view may be left
    out_of_step = np.flatnonzero(packets[:, 0] != 0x47)
    broken = [out_of_step[0]] if len(out_of_step) else []
    kind = (packets[:, 1].astype(int) & 31) << 8 | packets[:, 2]
    begins, field, number = packets[:, 1] & 64, packets[:, 3] & 48, packets[:, 3] & 15
    announced = (field > 16) & (packets[:, 4] > 0) & (packets[:, 5] & 128 > 0)
    ours = np.flatnonzero((kind == stream) & (field & 16 > 0))
    tables = np.flatnonzero(kind == 0)
    steps = np.diff(number[ours].astype(int)) % 16
    for jump in np.flatnonzero((steps > 1) & ~announced[ours[1:]]):
        before, here = ours[jump], ours[jump + 1]
        if not (begins[here] and np.any((tables > before) & (tables < here))):
            broken.append(here)
            break
    if broken:
        return Structure(broken_at=int(min(broken)) * size)
    return Structure(broken_at=len(data) if len(data) % size else None)


_WALKS = {
    ('mov', 'mp4'): _walk_mp4,
    ('avi',): _walk_avi,
    ('matroska', 'webm'): _walk_matroska,
    ('asf',): _walk_asf,
    ('flv',): _walk_flv,
    ('mpegts',): _walk_transport,
    ('mpeg',): _walk_program,
}
