"""``VideoSource``: the frames of a video file by number, exactly."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np

from mmssl_video.datasets.decoding.container import (
    DAMAGE,
    DamagedFrameError,
    decode,
    open_container,
    reason,
    rgb_converter,
    sound_frames,
    use_threads,
    video_stream,
)
from mmssl_video.datasets.decoding.index import probe_video
from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.flow_format import is_flow_comment


class _OtherTimesError(Exception):
    """The decoder's frames have other times than the packets: this file must be counted."""


class VideoSource:
    """A video file that gives exact frames by number; holds no open file between calls.

    Frame ``n`` is the ``n``-th that decoding the file from its start gives, whatever its container
    and codec. A frame that the decoder could not decode as it was encoded is never given.

    Args:
        path: A local file.
        num_threads: Decoder threads.
        allow_truncated: As in :func:`~mmssl_video.datasets.decoding.probe_video`.

    Raises:
        BadVideoError: The file cannot be used, or holds optical flow.
    """

    def __init__(self, path, num_threads: int = 1, allow_truncated: bool = False) -> None:
        self.path = os.fspath(path)
        self.num_threads = num_threads
        self.probe = probe_video(self.path, allow_truncated, num_threads)
        self._check_contents()

    def __len__(self) -> int:
        return self.probe.total_frames

    @property
    def fps(self) -> float:
        """Average frames per second; 0.0 when the file does not say."""
        return self.probe.fps

    def _check_contents(self) -> None:
        if is_flow_comment(self.probe.comment):
            raise BadVideoError(self.path, "holds optical flow: read it with modality='Flow'")

    def _converter(self) -> Callable:
        """A function that turns a decoded frame into an array ``[H, W, 3]`` uint8."""
        return rgb_converter()

    def get_frames(self, indices: Sequence[int]) -> dict:
        """Read frames.

        Args:
            indices: Frame numbers in ``[0, len(self))``, any order, repeats allowed.

        Returns:
            dict: frame number -> RGB uint8 array ``[H, W, 3]``.

        Raises:
            BadVideoError: They cannot all be decoded.
        """
        wanted = sorted({int(index) for index in indices})
        if not wanted or wanted[0] < 0 or wanted[-1] >= len(self):
            raise IndexError(
                f'frames {wanted[:1]}..{wanted[-1:]} of {self.path}, which has {len(self)} frames'
            )
        try:
            if self.probe.way == 'count':
                frames = self._read_by_count(wanted)
            else:
                try:
                    frames = self._read_by_time(wanted)
                except _OtherTimesError:
                    self._check_count()
                    frames = self._read_by_count(wanted)
        except DAMAGE as error:
            raise BadVideoError(self.path, f'cannot be decoded ({reason(error)})') from error
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
        done, convert = 0, self._converter()
        try:
            with open_container(self.path) as container:
                stream = video_stream(container)
                use_threads(stream, self.num_threads)
                for frame in sound_frames(container, stream, self.probe.clean):
                    if done == len(self):
                        break
                    yield convert(frame)
                    done += 1
        except DAMAGE as error:
            if done < len(self):
                raise BadVideoError(self.path, f'cannot be decoded ({reason(error)})') from error
        if done < len(self):
            raise BadVideoError(
                self.path, f'damaged: only {done} of its {len(self)} frames can be decoded'
            )

    def _check_count(self) -> None:
        """Frames at other times than promised are told by their number, if none is lost."""
        total, last = 0, None
        with open_container(self.path) as container:
            stream = video_stream(container)
            use_threads(stream, self.num_threads)
            for frame in sound_frames(container, stream, self.probe.clean):
                if last is not None and (frame.pts is None or frame.pts < last):
                    raise BadVideoError(self.path, 'damaged: its frames are not in their order')
                total, last = total + 1, frame.pts
        if total != len(self):
            raise BadVideoError(
                self.path, f'damaged: only {total} of its {len(self)} frames can be decoded'
            )

    def _read_by_count(self, wanted):
        missing, frames, convert = set(wanted), {}, self._converter()
        with open_container(self.path) as container:
            stream = video_stream(container)
            use_threads(stream, self.num_threads)
            for index, frame in enumerate(sound_frames(container, stream, self.probe.clean)):
                if index in missing:
                    frames[index] = convert(frame)
                if index >= wanted[-1]:
                    break
        return frames

    def _read_by_time(self, wanted):
        times, frames, convert = self.probe.times, {}, self._converter()
        key_times = [key[0] for key in self.probe.keys]
        with open_container(self.path) as container:
            stream = video_stream(container)
            use_threads(stream, self.num_threads)
            reader, last_key = None, 0
            for index in wanted:
                # the first also serves what is shown before it (in front of an edit list's start)
                key = max(bisect_right(key_times, times[index]) - 1, 0)
                if reader is None or key > last_key + 1:
                    reader = self._from_key(container, stream, key)
                last_key = key
                for number, frame in reader:
                    if number == index:
                        frames[index] = convert(frame)
                        break
        return frames

    def _from_key(self, container, stream, key):
        """Decode from fresh start number ``key`` on: pairs of frame number and frame."""
        times, keys = self.probe.times, self.probe.keys
        first_number = bisect_left(times, keys[key][0])
        # Demuxers seek by decoding time and may land one key frame too late: then go back further.
        while True:
            container.seek(keys[key][1] if key else min(keys[0]), stream=stream)
            packets = container.demux(stream)
            first = next(packets)
            if key == 0 or (first.pts is not None and first.pts <= keys[key][0]):
                break
            key -= 1
        expected = None
        for frame in chain(first.decode(), decode(container, stream)):
            if expected is None:
                if frame.pts is not None and frame.pts < times[first_number]:
                    continue  # open groups: refers to what lies before the key frame
                expected = first_number
            # frames shown at one time (a common fault of re-encoded files) are counted
            if expected >= len(times) or frame.pts != times[expected]:
                raise _OtherTimesError
            if frame.is_corrupt:
                raise DamagedFrameError
            yield expected, frame
            expected += 1
