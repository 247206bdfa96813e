"""Temporal augmentations of SSTL (section 3.1), on frame numbers: nothing is decoded in vain.

All take the windows of ``SampleWindow`` and change ``frame_inds`` before ``DecodeFrames``; every
clip draws for itself. Between playback rate distortion and the crop that ends the row, clips may be
of different lengths: then ``clip_lens`` stands in for ``clip_len``.
"""

from __future__ import annotations

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from mmssl_video.datasets.views import View


def distort_rate(frames: np.ndarray, rate: float, max_dropped: int) -> np.ndarray:
    """Play frames ``rate`` times as fast: each is dropped with probability ``1 - 1 / rate``.

    Args:
        frames: ``[n]``, anything.
        rate: Playback rate p of at least 1.
        max_dropped: No more are dropped; if more were drawn, a random choice of them is kept.

    Returns:
        Those that are left, in their order.
    """
    dropped = np.flatnonzero(np.random.rand(len(frames)) < 1 - 1 / rate)
    if len(dropped) > max_dropped:
        dropped = np.random.permutation(dropped)[:max_dropped]
    return np.delete(frames, dropped)


def drop_apart(frames: np.ndarray, num_dropped: int) -> np.ndarray:
    """Drop exactly ``num_dropped`` frames, no two of them neighbours; all choices alike likely.

    Args:
        frames: ``[n]`` with ``n >= 2 * num_dropped - 1``.
        num_dropped: How many.

    Returns:
        Those that are left, in their order.
    """
    # k of n, no two neighbours: k of n - k + 1 at random, the i-th of them moved on by i
    free = len(frames) - num_dropped + 1
    chosen = np.sort(np.random.permutation(free)[:num_dropped]) + np.arange(num_dropped)
    return np.delete(frames, chosen)


def crop_time(frames: np.ndarray, num_frames: int) -> np.ndarray:
    """``num_frames`` consecutive frames from a start that is uniform over all valid ones."""
    start = np.random.randint(0, len(frames) - num_frames + 1)
    return frames[start : start + num_frames]


class TemporalTransform(BaseTransform):
    """Changes the frame numbers of each clip; what all in this file share.

    Required keys: ``frame_inds``, ``num_clips`` and ``clip_len`` (or ``clip_lens``), as
    ``SampleWindow`` gives them. Changed: these.
    """

    #: Argument that says how many frames there are after it.
    FRAMES_SET_BY: str | None = None

    def frames_after(self, num_frames: int) -> int:
        """Fewest frames that may be left of a clip of ``num_frames``.

        Raises:
            ValueError: These are too few to begin with.
        """
        return num_frames

    def describe(self, view: View) -> View:
        """Clips of so few frames as this may leave of them.

        Raises:
            ValueError: See :meth:`frames_after`.
        """
        if view.block_frames is None:
            return view
        frames = self.frames_after(view.block_frames) * view.num_blocks
        return view.update(dict(num_frames=self.FRAMES_SET_BY), num_frames=frames)

    def clips(self, results: dict) -> list[np.ndarray]:
        """Frame numbers of every clip."""
        if 'imgs' in results:
            raise ValueError(
                f'{type(self).__name__} works on frame numbers: put it between '
                'SampleWindow and DecodeFrames'
            )
        lengths = results.get('clip_lens')
        if lengths is None:
            lengths = [results['clip_len']] * results['num_clips']
        return np.split(results['frame_inds'], np.cumsum(lengths)[:-1])

    def put(self, results: dict, clips: list[np.ndarray]) -> dict:
        """Write clips back; ``clip_len`` is there if and only if all are of one length."""
        lengths = [len(clip) for clip in clips]
        results.pop('clip_len', None)
        results.pop('clip_lens', None)
        if len(set(lengths)) == 1:
            results['clip_len'] = lengths[0]
        else:
            results['clip_lens'] = np.array(lengths)
        results['frame_inds'] = np.concatenate(clips)
        results['num_clips'] = len(clips)
        return results


@TRANSFORMS.register_module()
class RepeatClips(TemporalTransform):
    """Take every clip ``times`` times, copies side by side, for as many independent draws.

    SSTL (section 3.2) augments one clip twice; ``num_windows=2`` of ``SampleWindow`` gives clips of
    different times instead.

    Args:
        times: Number of views of each clip.

    Raises:
        ValueError: It is below 1.
    """

    def __init__(self, times: int = 2) -> None:
        if not isinstance(times, int) or times < 1:
            raise ValueError(
                f'RepeatClips: times must be a whole number of at least 1, got {times!r}'
            )
        self.times = times

    def describe(self, view: View) -> View:
        """Every window is taken several times."""
        return view.update(dict(copies='times'), copies=view.copies * self.times)

    def transform(self, results: dict) -> dict:
        if 'window_starts' in results:
            results['window_starts'] = np.repeat(results['window_starts'], self.times)
        return self.put(results, [clip for clip in self.clips(results) for _ in range(self.times)])

    def __repr__(self) -> str:
        return f'{type(self).__name__}(times={self.times})'


@TRANSFORMS.register_module()
class PlaybackRateDistortion(TemporalTransform):
    """Play each clip at a random rate p: frames are dropped with probability 1 - 1/p (section 3.1).

    Added key: ``playback_rate`` (float32 ``[num_clips]``), the rates p that were drawn: what the
    rate head learns to tell. Clips may come out with different lengths: end with
    ``TemporalRandomCrop``.

    Args:
        max_rate: p is uniform in [1, ``max_rate``]; 1.25 in the paper. 1 drops nothing.
        max_dropped: "The maximum number of dropped frames is also limited", by no figure: 8 of
            16 + 12 frames leave what a dropout of 4 and a crop of 16 need.

    Raises:
        ValueError: For a rate below 1 or a negative number of frames.
    """

    def __init__(self, max_rate: float = 1.25, max_dropped: int = 8) -> None:
        if not max_rate >= 1:
            raise ValueError(f'PlaybackRateDistortion: max_rate is at least 1, got {max_rate!r}')
        if not isinstance(max_dropped, int) or max_dropped < 0:
            raise ValueError(
                'PlaybackRateDistortion: max_dropped is a whole number of at least 0, '
                f'got {max_dropped!r}'
            )
        self.max_rate, self.max_dropped = float(max_rate), max_dropped

    def frames_after(self, num_frames: int) -> int:
        dropped = self.max_dropped if self.max_rate > 1 else 0
        if num_frames <= dropped:
            raise ValueError(
                f'PlaybackRateDistortion may drop {dropped} frames of clips that may '
                f'have only {num_frames}: raise SampleWindow.num_frames by '
                f'{dropped + 1 - num_frames}, or lower max_dropped'
            )
        return num_frames - dropped

    def transform(self, results: dict) -> dict:
        clips = self.clips(results)
        self.frames_after(min(map(len, clips)))
        rates = np.random.uniform(1, self.max_rate, len(clips))
        results['playback_rate'] = rates.astype(np.float32)
        return self.put(
            results,
            [distort_rate(clip, rate, self.max_dropped) for clip, rate in zip(clips, rates)],
        )

    def __repr__(self) -> str:
        return f'{type(self).__name__}(max_rate={self.max_rate}, max_dropped={self.max_dropped})'


@TRANSFORMS.register_module()
class TemporalRandomDropout(TemporalTransform):
    """Drop a fixed number of frames of each clip, no two of them neighbours (section 3.1).

    Args:
        num_dropped: How many; 4 in the paper's best rows (Table 4), 0 drops none.

    Raises:
        ValueError: It is negative, or (at transform time) more than fit apart into a clip.
    """

    def __init__(self, num_dropped: int = 4) -> None:
        if not isinstance(num_dropped, int) or num_dropped < 0:
            raise ValueError(
                'TemporalRandomDropout: num_dropped is a whole number of at least 0, '
                f'got {num_dropped!r}'
            )
        self.num_dropped = num_dropped

    def frames_after(self, num_frames: int) -> int:
        needed = max(2 * self.num_dropped - 1, self.num_dropped + 1)
        if num_frames < needed:
            raise ValueError(
                f'TemporalRandomDropout needs at least {needed} frames to drop '
                f'{self.num_dropped} that are no neighbours, and a clip may have only '
                f'{num_frames}: raise SampleWindow.num_frames by '
                f'{needed - num_frames}, or lower num_dropped'
            )
        return num_frames - self.num_dropped

    def transform(self, results: dict) -> dict:
        clips = self.clips(results)
        self.frames_after(min(map(len, clips)))
        return self.put(results, [drop_apart(clip, self.num_dropped) for clip in clips])

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_dropped={self.num_dropped})'


@TRANSFORMS.register_module()
class TemporalRandomCrop(TemporalTransform):
    """Keep a random run of consecutive frames of each clip, "the last part" (section 3.1).

    Added key: ``temporal_position`` (float64 ``[num_clips]``), ``t / T`` of section 3.2, in (0, 1):
    t is the middle of the centre frame (``num_frames // 2``) of what is kept, T the number of
    frames of the video. Without any augmentation, a crop to the whole clip gives it.

    Args:
        num_frames: Frames to keep; 16 in the paper.

    Raises:
        ValueError: It is below 1, or (at transform time) more than a clip has.
    """

    FRAMES_SET_BY = 'num_frames'

    def __init__(self, num_frames: int = 16) -> None:
        if not isinstance(num_frames, int) or num_frames < 1:
            raise ValueError(
                'TemporalRandomCrop: num_frames is a whole number of at least 1, got '
                f'{num_frames!r}'
            )
        self.num_frames = num_frames

    def frames_after(self, num_frames: int) -> int:
        missing = self.num_frames - num_frames
        if missing > 0:
            raise ValueError(
                f'TemporalRandomCrop needs {self.num_frames} frames and may get only '
                f'{num_frames}: the e extra frames of the clip are {missing} too few '
                'for what is dropped; raise SampleWindow.num_frames by '
                f'{missing} or drop fewer (TemporalRandomDropout.num_dropped, '
                'PlaybackRateDistortion.max_dropped)'
            )
        return self.num_frames

    def transform(self, results: dict) -> dict:
        clips = self.clips(results)
        self.frames_after(min(map(len, clips)))
        clips = [crop_time(clip, self.num_frames) for clip in clips]
        first = results.get('start_index', 0)
        centres = np.array([clip[self.num_frames // 2] for clip in clips]) - first
        results['temporal_position'] = (centres + 0.5) / results['total_frames']
        return self.put(results, clips)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_frames={self.num_frames})'
