"""Unintentional action: windows around a video's failure, labels of their blocks (MemDPC §5.7)."""

from __future__ import annotations

import math

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from mmssl_video.datasets.errors import BadVideoError

from .sampling import SampleWindow

#: Classes of a block, in order of their labels.
STEP_CLASSES = ('intentional', 'transitioning', 'unintentional')
#: Label of what is not judged: padding behind the end of a short video.
IGNORED = -1


def label_spans(starts: np.ndarray, length: float, failure: float) -> np.ndarray:
    """Labels of pieces of a video by the failure's place.

    A piece covers ``[start, start + length)``: pieces laid end to end leave no gap into which a
    failure could fall.

    Args:
        starts: First frames of the pieces, ``[S]``.
        length: Their length in frames.
        failure: The failure, in frames.

    Returns:
        ``[S]`` int64: 0 before the failure (intentional), 1 with the failure in it
        (transitioning), 2 after it (unintentional).
    """
    starts = np.asarray(starts)
    return (starts + length > failure).astype(np.int64) + (starts > failure)


def failure_frame(results: dict) -> float:
    """Place of the failure in frames, from its time and the frame rate.

    Raises:
        ValueError: The list gives no time, or the video no frame rate.
        BadVideoError: The failure lies behind the video's end.
    """
    if results.get('failure_time') is None:
        raise ValueError(
            'labelling steps needs the failure time of each video: use OopsDataset '
            'with a list of lines "path SECONDS"'
        )
    fps = results.get('avg_fps')
    if not fps or not fps > 0:
        raise ValueError(
            f'{results["filename"]} names no frame rate, so a failure time in seconds '
            'cannot be placed in it: use video files'
        )
    frame = results['failure_time'] * fps
    if frame >= results['total_frames']:
        raise BadVideoError(
            results['filename'],
            f'ends after {results["total_frames"] / fps:.2f} s, before its '
            f'failure at {results["failure_time"]:g} s',
        )
    return frame


# the second name is what older checkpoints and configs call it
@TRANSFORMS.register_module(name=['SampleUnintentionalWindow', 'SampleFailureWindow'])
class SampleUnintentionalWindow(SampleWindow):
    """``SampleWindow`` for videos with a failure: oversamples it, and covers whole videos.

    **Training** (``mode='random'``). Steps with the failure in them ("transitioning") are rare:
    MemDPC (appendix B) oversamples them and does not say how. Here ``failure_probability`` is the
    probability that one of the *classified* blocks of the window, the second to the last, holds the
    failure: with it the start is drawn uniformly among those starts, else among the others. Where a
    video has only one kind of starts, it is drawn among these. A window has one transitioning step
    at most, so their share of all steps goes up to ``1 / (num_blocks - 1)``; what is wanted beyond
    that is the class weight of the loss.

    **Testing** (``mode='sliding'``). With ``cover_end`` one more window ends at the video's end,
    unless one does already.

    Args:
        num_blocks: Blocks of a window.
        failure_probability: See above; None draws all starts alike.
        cover_end: See above.
        short: ``'pad'`` or ``'drop'``: a video that is started over has no timeline.
        **kwargs: Arguments of :class:`SampleWindow`.

    Raises:
        ValueError: An argument makes no sense.
    """

    def __init__(
        self,
        num_frames: int = 40,
        stride: int = 3,
        num_blocks: int = 8,
        failure_probability: float | None = None,
        cover_end: bool = True,
        short: str = 'pad',
        **kwargs,
    ) -> None:
        super().__init__(num_frames, stride, short=short, **kwargs)
        if short == 'loop':
            raise ValueError(
                "SampleUnintentionalWindow: short='loop' would show frames before the "
                "failure again after it; use 'pad' or 'drop'"
            )
        if not isinstance(num_blocks, int) or num_blocks < 2 or num_frames % num_blocks:
            raise ValueError(
                'SampleUnintentionalWindow: num_blocks must be at least 2 and divide '
                f'num_frames={num_frames}, got {num_blocks!r}'
            )
        if failure_probability is not None and (
            self.mode != 'random' or not 0 <= failure_probability <= 1
        ):
            raise ValueError(
                "SampleUnintentionalWindow: failure_probability is for mode='random' and "
                f'lies in [0, 1], got {failure_probability!r} with mode={self.mode!r}'
            )
        self.block = num_frames * stride // num_blocks
        self.failure_probability = failure_probability
        self.cover_end = cover_end
        self._failure: float | None = None

    def transform(self, results: dict) -> dict:
        self._failure = None if self.failure_probability is None else failure_frame(results)
        return super().transform(results)

    def window_starts(self, total_frames: int) -> np.ndarray:
        if self._failure is not None and self.failure_probability is not None:
            return np.array(
                [
                    self._draw(total_frames, self._failure, self.failure_probability)
                    for _ in range(self.num_windows)
                ]
            )
        starts = super().window_starts(total_frames)
        last = total_frames - self.span
        if self.mode == 'sliding' and self.cover_end and starts[-1] < last:
            starts = np.append(starts, last)
        return starts

    def _draw(self, total_frames: int, failure: float, probability: float) -> int:
        count = total_frames - self.span + 1
        # Starts s with s + block <= failure < s + window: those from first to stop - 1.
        first = max(math.floor(failure - self.num_frames * self.stride) + 1, 0)
        stop = min(max(math.floor(failure - self.block) + 1, first), count)
        inside = max(stop - first, 0)
        wanted = np.random.random() < probability
        if inside and (wanted or inside == count):
            return first + np.random.randint(inside)
        draw = np.random.randint(count - inside)
        return draw if draw < first else draw + inside

    def __repr__(self) -> str:
        return (
            f'{super().__repr__()[:-1]}, failure_probability={self.failure_probability}, '
            f'cover_end={self.cover_end})'
        )


# the second name is what older checkpoints and configs call it
@TRANSFORMS.register_module(name=['LabelUnintentionalSteps', 'LabelSteps'])
class LabelUnintentionalSteps(BaseTransform):
    """Label every block by the failure time, after ``SplitBlocks`` and before ``PackActionInputs``.

    "The clip overlapping the failure moment is transitioning, the clips before are intentional, the
    clips afterwards are unintentional" (MemDPC §5.7). A block covers the time from its first frame
    to the first frame of the next block.

    Required keys: ``window_starts``, ``num_clips``, ``clip_len``, ``frame_interval``,
    ``total_frames``, ``failure_time``, ``avg_fps``. Added keys: ``label`` (int64 ``[W * N]``, class
    of each block, -1 where a padded window reaches behind the video's end), ``step_starts`` (int64
    ``[W * N]``, first frames), ``step_frames`` (length of a block in frames), ``failure_frame``
    (float). ``PackActionInputs(meta_keys=...)`` hands on those that a metric needs,
    :attr:`META_KEYS`.
    """

    META_KEYS = (
        'name',
        'sample_idx',
        'total_frames',
        'avg_fps',
        'step_starts',
        'step_frames',
        'failure_frame',
    )

    def transform(self, results: dict) -> dict:
        failure = failure_frame(results)
        windows = np.asarray(results['window_starts'])
        length = results['clip_len'] * results['frame_interval']
        blocks = results['num_clips'] // len(windows)
        starts = (windows[:, None] + np.arange(blocks) * length).reshape(-1)
        labels = label_spans(starts, length, failure)
        labels[starts >= results['total_frames']] = IGNORED
        results.update(label=labels, step_starts=starts, step_frames=length, failure_frame=failure)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
