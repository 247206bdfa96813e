"""Which frames of a video are used: windows of equally spaced frames."""

from __future__ import annotations

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from mmssl_video.datasets.errors import ShortVideoError
from mmssl_video.datasets.views import View


@TRANSFORMS.register_module()
class SampleWindow(BaseTransform):
    """Choose windows of ``num_frames`` frames, ``stride`` frames apart (DPC §4.1: 40 at stride 3).

    A window spans ``(num_frames - 1) * stride + 1`` frames of the video. Required keys:
    ``total_frames``, ``filename``. Added keys: ``frame_inds`` (int64 ``[W * num_frames]``, window
    after window), ``window_starts`` (int64 ``[W]``), ``clip_len`` (= ``num_frames``),
    ``num_clips`` (= W, the number of windows), ``frame_interval`` (= ``stride``).

    Args:
        num_frames: Frames per window.
        stride: Distance between neighbouring frames, in frames of the video.
        mode: ``'random'``: ``num_windows`` independent starts, uniform over all valid ones.
            ``'center'``: one window in the middle. ``'uniform'``: ``num_windows`` starts evenly
            spread over the video. ``'sliding'``: as many windows as fit, from frame 0 on.
        num_windows: Number of windows for ``'random'`` and ``'uniform'``.
        min_gap: Least distance between the starts of any two ``'random'`` windows, in frames of
            the video. Windows come in random order. In a video too short for it they lie as far
            apart as they can, evenly spread.
        overlap: Share of a window's span that the next one shares (``'sliding'``). 0.5 gives the
            step of the released MemDPC test code (59 frames for 40 at stride 3), whose windows also
            need ``start_range='released'``.
        step_frames: Distance of sliding windows in frames, instead of ``overlap``. The released
            DPC test code uses 60 (UCF101) and 90 (HMDB51) for 8 blocks, 30 and 45 for 5 blocks.
        max_windows: At most so many sliding windows, evenly chosen among those that fit.
        start_range: ``'all'``: random and sliding starts leave room for the span. ``'released'``:
            for ``num_frames * stride`` frames, as in the released MemDPC test code when windows
            slide (120 frames and not 118: one window fewer in videos of 177, 178, 236 and 237
            frames); for one more when they are drawn, as in the released training code.
        short: What to do with a video shorter than one window: ``'loop'`` starts over at its first
            frame, ``'pad'`` repeats its last frame, ``'drop'`` raises ``ShortVideoError``, upon
            which the dataset takes another video and counts this one as short.

    Raises:
        ValueError: An argument makes no sense.
        ShortVideoError: At transform time, with ``short='drop'``.
    """

    MODES = ('random', 'center', 'sliding', 'uniform')
    SHORT = ('loop', 'pad', 'drop')

    def __init__(
        self,
        num_frames: int = 40,
        stride: int = 3,
        mode: str = 'random',
        num_windows: int = 1,
        overlap: float = 0.5,
        step_frames: int | None = None,
        max_windows: int | None = None,
        start_range: str = 'all',
        short: str = 'loop',
        min_gap: int = 0,
    ) -> None:
        for name, value in dict(
            num_frames=num_frames,
            stride=stride,
            num_windows=num_windows,
            step_frames=step_frames,
            max_windows=max_windows,
        ).items():
            optional = name in ('step_frames', 'max_windows')
            if not (value is None and optional) and not (
                isinstance(value, (int, np.integer)) and value >= 1
            ):
                raise ValueError(
                    f'SampleWindow: {name} must be a whole number of at least 1'
                    f'{" or None" if optional else ""}, got {value!r}'
                )
        for name, choice, choices in (
            ('mode', mode, self.MODES),
            ('short', short, self.SHORT),
            ('start_range', start_range, ('all', 'released')),
        ):
            if choice not in choices:
                raise ValueError(f'SampleWindow: {name} must be one of {choices}, got {choice!r}')
        if not isinstance(min_gap, (int, np.integer)) or min_gap < 0:
            raise ValueError(
                f'SampleWindow: min_gap must be a whole number of at least 0, got {min_gap!r}'
            )
        if min_gap and (mode != 'random' or num_windows < 2):
            raise ValueError(
                "SampleWindow: min_gap is for mode='random' and num_windows of at "
                f'least 2, got mode={mode!r} and num_windows={num_windows}'
            )
        if not 0 <= overlap < 1:
            raise ValueError(f'SampleWindow: overlap must be in [0, 1), got {overlap!r}')
        if mode in ('center', 'sliding') and num_windows != 1:
            raise ValueError(
                f"SampleWindow: mode='{mode}' decides the number of windows itself; "
                f"num_windows={num_windows} is for 'random' and 'uniform'"
            )
        if mode != 'sliding' and (step_frames or max_windows):
            raise ValueError(
                "SampleWindow: step_frames and max_windows are for mode='sliding', "
                f'got mode={mode!r}'
            )
        self.num_frames = num_frames
        self.stride = stride
        self.mode = mode
        self.num_windows = num_windows
        self.overlap = overlap
        self.step_frames = step_frames
        self.max_windows = max_windows
        self.start_range = start_range
        self.short = short
        self.min_gap = min_gap
        self.span = (num_frames - 1) * stride + 1
        self.step = step_frames or max(1, round(self.span * (1 - overlap)))

    def window_starts(self, total_frames: int) -> np.ndarray:
        """First frames of the windows of a video that is at least one span long, int64 ``[W]``."""
        last = total_frames - self.span
        if self.start_range == 'released' and self.mode in ('random', 'sliding'):
            last = total_frames - self.num_frames * self.stride - (self.mode == 'random')
            last = max(last, 0)
        if self.mode == 'random':
            return self._random_starts(last)
        if self.mode == 'center':
            return np.array([last // 2])
        if self.mode == 'uniform':
            if self.num_windows == 1:
                return np.array([last // 2])
            return np.linspace(0, last, self.num_windows).round().astype(np.int64)
        starts = np.arange(0, last + 1, self.step)
        if self.max_windows and len(starts) > self.max_windows:
            # the middle of each of max_windows equal parts
            parts = (np.arange(self.max_windows) + 0.5) * len(starts) / self.max_windows
            starts = starts[parts.astype(np.int64)]
        return starts

    def _random_starts(self, last: int) -> np.ndarray:
        """Starts in [0, last], uniform over all that keep the gap."""
        if not self.min_gap:
            return np.random.randint(0, last + 1, size=self.num_windows)
        taken = (self.num_windows - 1) * self.min_gap
        if taken > last:
            starts = np.linspace(0, last, self.num_windows).round().astype(np.int64)
        else:
            # distinct draws, one gap closer together than the starts they stand for
            room = last - taken + self.num_windows
            starts = np.sort(np.random.choice(room, self.num_windows, replace=False))
            starts = starts + (self.min_gap - 1) * np.arange(self.num_windows)
        return np.random.permutation(starts)

    def describe(self, view: View) -> View:
        """What an encoder sees of a video through these windows."""
        slides = self.mode == 'sliding'
        view = view.update(
            dict(sampling='mode'),
            num_frames=self.num_frames,
            stride=self.stride,
            sampling=self.mode,
            num_windows=None if slides else self.num_windows,
            max_windows=self.max_windows,
            overlap=self.overlap if slides else None,
            step_frames=self.step_frames,
            short=self.short,
        )
        if slides and self.start_range == 'released':
            view = view.remark(f'each with {self.num_frames * self.stride} frames to its end')
        return view

    def transform(self, results: dict) -> dict:
        total = int(results['total_frames'])
        offsets = np.arange(self.num_frames) * self.stride
        if total >= self.span:
            starts = self.window_starts(total).astype(np.int64)
            frame_inds = (starts[:, None] + offsets).reshape(-1)
        elif self.short == 'drop':
            raise ShortVideoError(
                results['filename'],
                f'has {total} frames, a window of {self.num_frames} frames at '
                f'stride {self.stride} needs {self.span}',
            )
        else:
            # 'random' and 'uniform' promise a number of windows; all show the same frames here
            count = self.num_windows if self.mode in ('random', 'uniform') else 1
            starts = np.zeros(count, dtype=np.int64)
            frames = offsets % total if self.short == 'loop' else np.minimum(offsets, total - 1)
            frame_inds = np.tile(frames, count)
        results['frame_inds'] = frame_inds + results.get('start_index', 0)
        results['window_starts'] = starts
        results['clip_len'] = self.num_frames
        results['num_clips'] = len(starts)
        results['frame_interval'] = self.stride
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(num_frames={self.num_frames}, stride={self.stride}, '
            f'mode={self.mode!r}, num_windows={self.num_windows}, step={self.step}, '
            f'max_windows={self.max_windows}, short={self.short!r})'
        )
