"""Test pipelines for a question of their own: a video's time to its end, clips changed in time."""

from __future__ import annotations

from mmengine.config import ConfigDict

from mmssl_video.datasets.views import View, test_pipeline

#: What samples of :func:`surprise_pipeline` say of a video's time, beside the frames.
TIMELINE_INFO = ('total_frames', 'avg_fps', 'window_starts', 'frame_interval')


def surprise_pipeline(view: View) -> dict[str, ConfigDict]:
    """Windows of an encoder's training that move by one block to the video's end.

    Args:
        view: What the encoder saw in its training.

    Returns:
        Named steps, as :func:`test_pipeline` gives them; samples know :data:`TIMELINE_INFO`.

    Raises:
        ValueError: Windows are one block each, or their frames are unknown.
    """
    pipeline = test_pipeline(view)
    if view.num_blocks < 2:
        raise ValueError(
            "the model's windows are one block each, so there is nothing to predict: "
            'surprise needs a model of DPC or MemDPC'
        )
    num_frames, stride = known_window(view)
    pipeline['sample'] = ConfigDict(
        type='SampleUnintentionalWindow',
        num_frames=num_frames,
        stride=stride,
        num_blocks=view.num_blocks,
        mode='sliding',
        short='pad',
        step_frames=num_frames * stride // view.num_blocks,
    )
    pipeline['pack'].meta_keys = TIMELINE_INFO
    return pipeline


def augmented_pipeline(view: View, strength: int) -> dict[str, ConfigDict]:
    """Two temporally augmented views of a video's middle clip, no other augmentation.

    Of T + e frames a third of e is dropped apart and the rest of e may go by the playback rate, up
    to 1.25, as Table 4's row 16 + 12 of SSTL with 4 dropped; a run of T is kept.

    Args:
        view: What the encoder saw in its training: T, stride and size.
        strength: Extra frames e.

    Returns:
        Named steps, those of :func:`test_pipeline` with the augmentation behind ``sample``.
    """
    dropped, (num_frames, _) = strength // 3, known_window(view)
    steps = {}
    for name, step in test_pipeline(view, num_windows=1).items():
        steps[name] = step
        if name == 'sample':
            step.num_frames = num_frames + strength
            steps['repeat'] = dict(type='RepeatClips', times=2)
            steps['rate'] = dict(type='PlaybackRateDistortion', max_dropped=strength - dropped)
            steps['dropout'] = dict(type='TemporalRandomDropout', num_dropped=dropped)
            steps['time_crop'] = dict(type='TemporalRandomCrop', num_frames=num_frames)
    return {name: ConfigDict(step) for name, step in steps.items()}


def known_window(view: View) -> tuple[int, float]:
    """Frames and stride of a window, which a sampler of a user's own need not say."""
    if view.num_frames is None or view.stride is None:
        raise ValueError(
            "the encoder's training pipeline does not say the frames and the stride of its windows "
            '(View.num_frames, View.stride), which are needed here'
        )
    return view.num_frames, view.stride
