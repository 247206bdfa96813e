"""What a packet's first bits say: whether decoding can begin there, and how many frames it shows.

A container's mark "key frame" is not enough: with intra refresh it stands on ordinary P-frames from
which a picture only *recovers* over a second or so (H.264 recovery points), and a damaged or badly
written file marks frames at random.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_H264_IDR, _H264_SLICES, _H264_SEI = 5, (1, 2), 6
_H264_RECOVERY_POINT = 6
_MPEG4_VOP = b'\0\0\1\xb6'
# An MPEG-4 VOP that says "not coded" and nothing else has 6 to 8 bytes; one whose macroblocks are
# all skipped has at least 9 in a picture of 64x64.
_MPEG4_NOT_CODED = 8
_MPEG4_PACKED = re.compile(rb'DivX\d+(?:b|Build)\d+p')

_VP8_START = b'\x9d\x01\x2a'


class _Bits:
    """Reads bits of an H.264 payload, most significant first."""

    def __init__(self, data: bytes) -> None:
        data = data.replace(b'\0\0\3', b'\0\0')  # emulation prevention
        self._value, self._left = int.from_bytes(data, 'big'), 8 * len(data)

    def bit(self) -> int:
        self._left -= 1
        if self._left < 0:
            raise ValueError('no bits are left')
        return self._value >> self._left & 1

    def exp_golomb(self) -> int:
        zeros = 0
        while not self.bit():
            zeros += 1
        rest = 0
        for _ in range(zeros):
            rest = rest << 1 | self.bit()
        return (1 << zeros) - 1 + rest


def _nal_units(data: bytes, length_size: int) -> Iterator[bytes]:
    """NAL units of an H.264 or HEVC packet; ``length_size`` 0 means start codes."""
    position = 0
    if length_size:
        while position + length_size < len(data):
            start = position + length_size
            position = start + int.from_bytes(data[position:start], 'big')
            yield data[start:position]
        return
    start = data.find(b'\0\0\1')
    while start >= 0:
        end = data.find(b'\0\0\1', start + 3)
        yield data[start + 3 : end if end >= 0 else len(data)]
        start = end


def _is_recovery_point(sei: bytes) -> bool:
    """Whether an H.264 SEI says: whole from this very picture on."""
    position = 1
    while position + 2 < len(sei):
        kind = size = 0
        while position < len(sei) and sei[position] == 255:
            kind, position = kind + 255, position + 1
        kind, position = kind + sei[position], position + 1
        while position < len(sei) and sei[position] == 255:
            size, position = size + 255, position + 1
        if position >= len(sei):
            return False
        size, position = size + sei[position], position + 1
        if kind == _H264_RECOVERY_POINT:
            return _Bits(sei[position : position + size]).exp_golomb() == 0
        position += size
    return False


def _h264(data: bytes, length_size: int) -> bool:
    recovers = False
    slices = []
    for unit in _nal_units(data, length_size):
        kind = unit[0] & 31 if unit else 0
        if kind == _H264_IDR:
            return True
        if kind == _H264_SEI:
            recovers = recovers or _is_recovery_point(unit)
        elif kind in _H264_SLICES:
            if not recovers:
                return False
            header = _Bits(unit[1:17])
            header.exp_golomb()  # its first macroblock
            slices.append(header.exp_golomb() % 5 in (2, 4))  # I, SI
    return bool(slices) and all(slices)


def _hevc(data: bytes, length_size: int) -> bool:
    for unit in _nal_units(data, length_size):
        kind = unit[0] >> 1 & 63 if unit else 63
        if kind < 32:  # the first slice tells
            return 16 <= kind <= 21  # BLA, IDR, CRA
    return False


def _vp9(data: bytes) -> bool:
    profile = data[0] >> 5 & 1 | data[0] >> 3 & 2
    first = 3 if profile < 3 else 2  # bit at which show_existing_frame stands
    return data[0] >> 6 == 2 and not data[0] >> first & 1 and not data[0] >> (first - 1) & 1


def _av1(data: bytes) -> bool:
    position = 0
    while position < len(data):
        header = data[position]
        position += 2 if header & 4 else 1
        size, shift = len(data) - position, 0
        if header & 2:
            size = 0
            while position < len(data):
                size |= (data[position] & 127) << shift
                shift, position = shift + 7, position + 1
                if not data[position - 1] & 128:
                    break
        if header >> 3 & 15 in (3, 6):  # frame header, frame
            # a key frame (type 0) that is shown at once
            return position < len(data) and data[position] >> 4 == 1
        position += size
    return False


def _mpeg4(data: bytes) -> bool:
    start = data.find(_MPEG4_VOP)
    return 0 <= start < len(data) - 4 and data[start + 4] >> 6 == 0


def _mpeg2(data: bytes) -> bool:
    start = data.find(b'\0\0\1\0')
    return 0 <= start < len(data) - 5 and data[start + 5] >> 3 & 7 == 1


class PacketReader:
    """Reads the packets of one stream.

    Args:
        stream: PyAV's video stream.

    Attributes:
        knows_codec: Whether :meth:`starts_afresh` can tell.
        packed: Whether the stream says that it is "packed" MPEG-4.
    """

    def __init__(self, stream) -> None:
        context = stream.codec_context
        self.codec = context.codec.canonical_name
        self._intra_only = context.codec.intra_only
        extradata = context.extradata or b''
        self.packed = self.codec == 'mpeg4' and bool(_MPEG4_PACKED.search(extradata))
        self._length_size = 0
        if extradata[:1] == b'\1':
            if self.codec == 'h264' and len(extradata) > 4:
                self._length_size = (extradata[4] & 3) + 1
            elif self.codec == 'hevc' and len(extradata) > 21:
                self._length_size = (extradata[21] & 3) + 1
        self._test = {
            'h264': lambda data: _h264(data, self._length_size),
            'hevc': lambda data: _hevc(data, self._length_size),
            'vp8': lambda data: not data[0] & 1 and data[3:6] == _VP8_START,
            'vp9': _vp9,
            'av1': _av1,
            'mpeg4': _mpeg4,
            'mpeg1video': _mpeg2,
            'mpeg2video': _mpeg2,
        }.get(self.codec)
        self.knows_codec = self._intra_only or self._test is not None

    def starts_afresh(self, packet) -> bool:
        """Whether this frame and all that are shown after it can be decoded from here.

        Of frames that are stored after it, but shown before, this is not said.
        """
        if not packet.is_keyframe:
            return False
        if self._intra_only:
            return True
        if self._test is None:
            return False
        try:
            return self._test(bytes(packet))
        except (ValueError, IndexError):  # damaged: it ends in the middle of its first fields
            return False

    def num_frames(self, packet) -> int:
        """Frames that the packet shows: nearly always 1."""
        if self.codec == 'mpeg4':
            # "Packed" AVI files keep two VOPs in one packet and none ("not coded", or the single
            # byte 0x7f) in another.
            count = bytes(packet).count(_MPEG4_VOP)
            if packet.size <= _MPEG4_NOT_CODED and count < 2:
                return 0
            return max(count, 1)  # a long one without any is damaged, not empty
        if self.codec == 'vp8':  # alternative reference frames are stored, but not shown
            head = bytes(packet)[:3]
            is_hidden = not head[0] & 16 and int.from_bytes(head, 'little') >> 5 > 0
            return int(not is_hidden)
        return 1
