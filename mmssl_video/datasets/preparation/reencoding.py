"""Copies of videos with a given short side, as MP4 files in which any frame is found exactly."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mmssl_video.atomic_files import open_atomic
from mmssl_video.datasets.decoding import probe_video
from mmssl_video.datasets.decoding.container import (
    DAMAGE,
    open_container,
    reason,
    sound_frames,
    use_threads,
    video_stream,
)
from mmssl_video.datasets.errors import BadVideoError

from .verification import verify_video

GOP = 12  # frames from one key frame to the next: a seek decodes at most this many
CRF = 18  # constant quality of x264; hardly told apart from the source
PRESET = 'fast'


def resized(height: int, width: int, short: int) -> tuple[int, int]:
    """Height and width whose smaller one is ``short``, both even (as 4:2:0 colour demands)."""
    if height <= width:
        return short, max(2 * round(width * short / height / 2), short)
    return max(2 * round(height * short / width / 2), short), short


def reencode(source, target, short: int) -> dict:
    """Write one copy: H.264, every frame, the source's average frame rate, no sound.

    Every key frame starts afresh (closed groups of pictures) and there are no B-frames, so that
    every reader seeks exactly. Frames are scaled up too where the source is
    smaller. A rotation in the metadata is applied. The copy is verified before it takes its place;
    the target is whole or not there.

    Args:
        source: The file to read.
        target: The file to write (replaced when there).
        short: Short side in pixels, even.

    Returns:
        dict: ``frames``, ``fps``, ``height``, ``width`` of the copy, and ``drift``: seconds by
        which a frame's time in the source and in the copy differ at most (a source of variable
        frame rate has frames at other times than a constant rate gives them).

    Raises:
        BadVideoError: The source cannot be used, or loses frames.
    """
    target = Path(target)
    probe = probe_video(str(source))
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_atomic(target) as file:
        count, rate, drift = _write(str(source), file.name, short, probe.clean)
        if count != probe.total_frames:
            raise BadVideoError(
                source, f'damaged: {count} of {probe.total_frames} frames can be decoded'
            )
        info = verify_video(file.name)
        way = probe_video(file.name).way
        if info['frames'] != count or way != 'seek':
            raise BadVideoError(
                source, f'its copy holds {info["frames"]} frames for {count}, to be read by {way!r}'
            )
    return dict(info, fps=round(float(rate), 4), drift=round(drift, 3))


def _write(source: str, target: str, short: int, clean: bool) -> tuple[int, Fraction, float]:
    """Returns the number of frames, the frame rate and the drift in seconds."""
    with (
        open_container(source) as reader,
        av.open(f'file:{target}', 'w', format='mp4', options={'movflags': '+faststart'}) as writer,
    ):
        stream = video_stream(reader)
        rate = stream.average_rate or stream.base_rate
        if not rate:
            raise BadVideoError(source, 'does not tell its frame rate')
        rate = Fraction(rate)
        use_threads(stream, 1)  # videos are many: one process each is enough
        output, size, times = None, None, []
        for count, frame in enumerate(_frames(source, reader, stream, clean)):
            turns = round(frame.rotation / 90) % 4
            if frame.time is not None:
                times.append((count, frame.time))
            if turns:
                image = np.rot90(frame.to_ndarray(format='rgb24'), turns)
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format='rgb24')
            if output is None:
                size = (frame.height, frame.width)
                output = _output(writer, stream, frame, rate, *resized(*size, short))
            elif (frame.height, frame.width) != size:
                raise BadVideoError(
                    source, f'its frames change size: {size} and {(frame.height, frame.width)}'
                )
            frame = frame.reformat(
                output.width,
                output.height,
                'yuv420p',
                dst_color_range='MPEG',
                interpolation='BICUBIC',
            )
            frame.pts, frame.time_base = count, 1 / rate
            frame.pict_type = 0  # the encoder decides, not the type in the source
            writer.mux(output.encode(frame))
        if output is None:
            raise BadVideoError(source, 'no frame of it can be decoded')
        writer.mux(output.encode())
        late = [time - float(number / rate) for number, time in times]
        return count + 1, rate, max(abs(each - late[0]) for each in late) if late else 0.0


def _frames(source, reader, stream, clean):
    try:
        yield from sound_frames(reader, stream, clean)
    except DAMAGE as error:
        raise BadVideoError(source, f'cannot be decoded ({reason(error)})') from error


def _output(writer, stream, frame, rate: Fraction, height: int, width: int):
    output = writer.add_stream('libx264', rate=rate)
    output.height, output.width, output.pix_fmt = height, width, 'yuv420p'
    context = output.codec_context
    context.time_base = 1 / rate
    context.gop_size, context.max_b_frames = GOP, 0
    # readers take the colour matrix from these marks
    context.color_range = 1  # 16 to 235
    for mark in ('colorspace', 'color_primaries', 'color_trc'):
        # frames of PyAV 15 tell the matrix only, the decoder knows the rest
        has_mark = frame if hasattr(frame, mark) else stream.codec_context
        setattr(context, mark, getattr(has_mark, mark))
    output.options = {
        'crf': str(CRF),
        'preset': PRESET,
        'threads': '1',
        'x264-params': f'keyint={GOP}:min-keyint={GOP}:scenecut=0:open-gop=0',
    }
    return output
