"""Windows of a fixed duration, whatever the frame rate of the video."""

from __future__ import annotations

import math

import numpy as np
from mmaction.registry import TRANSFORMS

from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.views import View

from .sampling import SampleWindow


@TRANSFORMS.register_module()
class SampleTimedWindow(SampleWindow):
    """``SampleWindow`` whose stride counts frames of a video of ``target_fps``.

    FGKVMemPred's released code samples so: at 25 frames a second, 16 frames at stride 4 "of 30"
    span 53.3 frames of the video and not 64. Starts are real numbers; the frames of a window are
    equally spaced from its start to its end, cut to whole numbers and, where the video ends, held
    at its last frame. Required keys: those of :class:`SampleWindow` and ``avg_fps``.

    Args:
        num_frames: Frames per window.
        stride: Distance of neighbouring frames, in frames at ``target_fps``.
        target_fps: Frames per second that ``stride`` counts.
        mode: ``'random'``: ``num_windows`` independent starts, uniform over the video.
            ``'center'``: one window in the middle. ``'uniform'``: start k of n at k / n of the room
            that a window leaves (the last window thus ends before the video does), as released.
        num_windows: Number of windows for ``'random'`` and ``'uniform'``.
        span: Length of a window, from which its end follows: ``'frames'``: ``num_frames * stride``
            frames, as where the released decoder reads whole videos; ``'steps'``: ``(num_frames -
            1) * stride``, rounded up, as where it seeks.

    Raises:
        ValueError: An argument makes no sense.
        BadVideoError: At transform time, for a video that does not say its frame rate.
    """

    def __init__(
        self,
        num_frames: int = 16,
        stride: int = 4,
        target_fps: float = 30.0,
        mode: str = 'random',
        num_windows: int = 1,
        span: str = 'frames',
    ) -> None:
        super().__init__(num_frames, stride, mode, num_windows, short='pad')
        if mode == 'sliding':
            raise ValueError("SampleTimedWindow: mode must be 'random', 'center' or 'uniform'")
        if span not in ('frames', 'steps'):
            raise ValueError(f"SampleTimedWindow: span must be 'frames' or 'steps', got {span!r}")
        if not target_fps > 0:
            raise ValueError(f'SampleTimedWindow: target_fps must be positive, got {target_fps!r}')
        self.target_fps, self.length_from = target_fps, span

    def window(self, total_frames: int, fps: float) -> tuple[np.ndarray, float]:
        """Starts ``[W]`` of the windows and their common length, in frames, as real numbers."""
        if self.length_from == 'frames':
            length = self.num_frames * self.stride * fps / self.target_fps
        else:
            length = math.ceil((self.num_frames - 1) * self.stride * fps / self.target_fps)
        room = max(total_frames - length, 0)
        if self.mode == 'random':
            return np.random.uniform(0, room, self.num_windows), length
        if self.mode == 'center':
            return np.array([float(room // 2)]), length
        return room * np.arange(self.num_windows) / self.num_windows, length

    def describe(self, view: View) -> View:
        """As :class:`SampleWindow`, counted in frames of ``target_fps``."""
        # padding belongs to this way of placing windows: ``SampleWindow`` at test time has its own
        return super().describe(view).update(short=None)

    def transform(self, results: dict) -> dict:
        fps = results.get('avg_fps')
        if not fps or not fps > 0:
            raise BadVideoError(
                results['filename'], 'does not say its frame rate, which SampleTimedWindow needs'
            )
        total = int(results['total_frames'])
        starts, length = self.window(total, fps)
        frames = np.linspace(starts, starts + length - 1, self.num_frames, axis=1)
        # 22.999999999999996 stands for 23
        frames = np.clip(frames + 1e-6, 0, total - 1).astype(np.int64)
        results['frame_inds'] = frames.reshape(-1) + results.get('start_index', 0)
        results['window_starts'] = frames[:, 0]
        results['clip_len'] = self.num_frames
        results['num_clips'] = len(starts)
        results['frame_interval'] = self.stride * fps / self.target_fps
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(num_frames={self.num_frames}, stride={self.stride}, '
            f'target_fps={self.target_fps}, mode={self.mode!r}, '
            f'num_windows={self.num_windows}, span={self.length_from!r})'
        )
