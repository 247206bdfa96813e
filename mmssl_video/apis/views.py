"""Which frames of a video an encoder looks at: pipelines for test time, and windows of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config, ConfigDict
from torch import Tensor

from ..datasets.pipelines import flat_steps, steps_of


def as_windows(inputs: Tensor, num_blocks: int) -> Tensor:
    """Unfold the clip axis of a sample, ``[W * N, C, T, H, W]`` to ``[W, N, C, T, H, W]``.

    The images ``[M, C, H, W]`` of a sample for a 2D network are one window, ``[1, M, C, H, W]``.

    Raises:
        ValueError: When the clips are no whole number of windows.
    """
    if inputs.ndim == 4:
        return inputs[None]
    if inputs.ndim != 5:
        raise ValueError(
            'a sample must have shape [clips, channels, frames, height, width], got '
            f'{list(inputs.shape)}'
        )
    if len(inputs) % num_blocks:
        raise ValueError(
            f'a sample of {len(inputs)} clips is no whole number of windows of {num_blocks} blocks'
        )
    return inputs.unflatten(0, (-1, num_blocks))


def as_frames(windows: Tensor) -> Tensor:
    """Frames of windows in their order, ``[W, N, C, T, H, W]`` to ``[W, N * T, C, H, W]``."""
    return windows if windows.ndim == 5 else windows.transpose(2, 3).flatten(1, 2)


def num_blocks_of(pipeline: Sequence[dict]) -> int:
    """Blocks per window of a pipeline: what its ``SplitBlocks`` says, else 1."""
    split = _step(pipeline, 'SplitBlocks')
    return split['num_blocks'] if split else 1


def num_views_of(pipeline: Sequence[dict]) -> int | None:
    """Views that a pipeline takes of every video, windows times crops; None if that varies."""
    sample, theirs = _window(pipeline), _step(pipeline, 'SampleFrames')
    if sample is not None:
        mode = sample.get('mode', 'random')
        count = {'sliding': None, 'center': 1}.get(mode, sample.get('num_windows', 1))
    elif theirs is not None and theirs.get('clip_len', 1) > 1:
        count = theirs.get('num_clips', 1)
    else:  # images: together they are one view of a 2D network
        return None if theirs is None else 1
    for step in steps_of(pipeline):
        if _kind(step) == 'MultiCrop':
            crops = dict(center=1, three=3, five=5)[step.get('crops', 'center')]
            count = count and count * crops * (2 if step.get('flip') else 1)
        elif _kind(step) in ('ThreeCrop', 'TenCrop'):
            count = count and count * (3 if _kind(step) == 'ThreeCrop' else 10)
        elif _kind(step) == 'RepeatClips':
            count = count and count * step.get('times', 2)
    return count


def dataset_of(dataloader: dict | None) -> dict:
    """The dataset in the config of a data loader, without wrappers such as ``RepeatDataset``."""
    dataset = (dataloader or {}).get('dataset') or {}
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


def modality_of(config: Config | dict) -> dict[str, str]:
    """What an encoder's config was trained on: ``modality`` (RGB or Flow) and file ``suffix``."""
    dataset = dataset_of(config.get('train_dataloader'))
    return dict(modality=dataset.get('modality', 'RGB'), suffix=dataset.get('suffix', ''))


def pipeline_of(dataloader: dict | None) -> list[dict]:
    """Steps of the pipeline in the config of a data loader; [] if none."""
    steps = steps_of(dataset_of(dataloader).get('pipeline'))
    return [step for step in steps if isinstance(step, dict)]


def frames_of(pipeline: Sequence[dict]) -> dict[str, int]:
    """What a pipeline shows of a video: ``dict(num_frames, stride, size)``, where it says so.

    ``size`` is the short side in pixels after the last ``Resize`` or crop.
    """
    steps = list(flat_steps(pipeline))
    sample, theirs, found = _window(steps), _step(steps, 'SampleFrames'), {}
    if sample is not None:
        found = {key: sample[key] for key in ('num_frames', 'stride') if key in sample}
    elif theirs is not None:
        found = dict(num_frames=theirs.get('clip_len', 1), stride=theirs.get('frame_interval', 1))
    kept = _step(steps, 'TemporalRandomCrop')  # of the frames sampled, what the network sees
    if kept is not None:
        found['num_frames'] = kept.get('num_frames', 16)
    for step in steps:
        if 'crop_size' in step:
            found['size'] = _short_side(dict(scale=step['crop_size']))
        elif _kind(step) == 'RandomCrop':
            found['size'] = step['size']
        elif _kind(step) == 'Resize':
            found['size'] = _short_side(step)
    return found


def find_pipeline(config: Config | dict) -> list[dict]:
    """Training pipeline of a config: ``train_dataloader``'s or ``train_pipeline``; [] if none."""
    return pipeline_of(config.get('train_dataloader')) or config.get('train_pipeline') or []


def view_pipeline(
    config: Config | dict,
    num_windows: int | None = None,
    crops: str = 'center',
    flip: bool = False,
    crop_share: float = 1.0,
    **sampling: Any,
) -> list[ConfigDict]:
    """Test pipeline for an encoder: frames, blocks and size of its training, no augmentation.

    Args:
        config: Config of a pre-training run, with its training pipeline: ours, or one of mmaction2
            with ``SampleFrames`` of clips.
        num_windows: That many windows at equal distances; by default windows slide over the whole
            video, overlapping by half, so that their number grows with its length.
        crops: ``'center'``, ``'three'`` or ``'five'`` crops of the training size.
        flip: Add the mirror image of every crop.
        crop_share: Side of a crop as a share of the frame's short side: 1 shows the whole centre
            square, 0.875 the 224 of 256 pixels that DPC, MemDPC and others test on.
        **sampling: Other options of ``SampleWindow``, such as ``stride=1``, ``mode='center'``, or
            ``max_windows=32``: sliding windows, but at most so many, spread over the video.

    Returns:
        Pipeline that gives ``inputs`` of ``[crops * windows * blocks, C, T, H, W]``.

    Raises:
        ValueError: When the config does not say which frames the encoder was trained on.
    """
    training = list(flat_steps(find_pipeline(config)))
    sample, split = _window(training), _step(training, 'SplitBlocks')
    theirs = _step(training, 'SampleFrames')
    if sample is None and theirs is not None and theirs.get('clip_len', 1) > 1:
        sample = dict(num_frames=theirs['clip_len'], stride=theirs.get('frame_interval', 1))
    scales = [step['scale'] for step in training if _kind(step) == 'Resize']
    if sample is None or not scales:
        raise ValueError(
            "the encoder's config has no training pipeline with SampleWindow and Resize, so the "
            'frames it expects are unknown: give a config that has one (--encoder-config), or '
            'describe the videos by a dataset config with a pipeline of its own'
        )
    if not 0 < crop_share <= 1:
        raise ValueError(f'crop_share must lie in (0, 1], got {crop_share}')
    size = _short_side(dict(scale=scales[-1]))
    options = {k: sample[k] for k in ('num_frames', 'stride', 'short') if k in sample}
    kept = _step(training, 'TemporalRandomCrop')  # of the frames sampled, what the encoder sees
    if kept is not None:
        options['num_frames'] = kept.get('num_frames', 16)
    options.update(mode='sliding') if num_windows is None else options.update(
        mode='uniform', num_windows=num_windows
    )
    options.update(sampling)
    crop = dict(type='CenterCrop', crop_size=size)
    if crops != 'center' or flip:
        crop = dict(type='MultiCrop', crop_size=size, crops=crops, flip=flip)
    steps = [
        dict(type='VideoInit'),
        dict(type='SampleWindow', **options),
        dict(type='DecodeFrames'),
        dict(type='Resize', scale=(-1, round(size / crop_share))),
        crop,
    ]
    if split is not None:
        steps.append(dict(split))
    return [
        ConfigDict(step)
        for step in steps
        + [dict(type='FormatShape', input_format='NCTHW'), dict(type='PackActionInputs')]
    ]


def describe_views(pipeline: Sequence[dict]) -> str:
    """One line for a record: ``sliding windows of 40 frames at stride 3, 8 blocks, …``.

    Half overlap and a crop of the whole short side go without saying; what differs is named.
    """
    sample, split = _window(pipeline), _step(pipeline, 'SplitBlocks')
    theirs = _step(pipeline, 'SampleFrames')
    parts = []
    if sample is not None:
        count = f'{sample["num_windows"]} ' if sample.get('num_windows') else ''
        if sample.get('max_windows'):
            count = f'at most {sample["max_windows"]} '
        moving = ''
        if sample.get('step_frames'):
            moving = f' moving by {sample["step_frames"]} frames'
        elif sample.get('mode') == 'sliding' and sample.get('overlap', 0.5) != 0.5:
            moving = f' overlapping by {sample["overlap"]:g}'
        parts.append(
            f'{count}{sample.get("mode", "random")} windows of {sample.get("num_frames")} '
            f'frames at stride {sample.get("stride")}{moving}'
        )
    elif theirs is not None:
        parts.append(
            f'{theirs.get("num_clips", 1)} clips of {theirs.get("clip_len", 1)} frames at '
            f'stride {theirs.get("frame_interval", 1)}'
        )
    if split is not None:
        parts.append(f'{split["num_blocks"]} blocks')
    side = None
    for step in steps_of(pipeline):
        if _kind(step) == 'Resize':
            side = _short_side(step)
        elif _kind(step) == 'MultiCrop':
            crops = step.get('crops', 'center')
            crops = f'{crops} crop' + ('' if crops == 'center' else 's')
            parts.append(
                f'{crops} of {step["crop_size"]}'
                + (f' out of {side}' if side not in (None, step['crop_size']) else '')
                + (' and their mirror images' if step.get('flip') else '')
            )
        elif 'crop_size' in step:
            parts.append(
                f'{_kind(step)} {step["crop_size"]}'
                + (f' out of {side}' if side not in (None, step['crop_size']) else '')
            )
        elif _kind(step) in ('VideoColorJitter', 'ColorJitter'):
            parts.append('colours jittered')
    return ', '.join(parts + ['mean over views'])


def _short_side(resize):
    """Short side in pixels after a ``Resize``; -1 and inf stand for whatever keeps the aspect."""
    scale = resize['scale'] if isinstance(resize['scale'], (list, tuple)) else (resize['scale'],)
    return int(min(side for side in scale if side > 0))


def _kind(step):
    """Name of a transform without the scope before it; classes as they are called."""
    kind = step['type']
    return kind.rsplit('.', 1)[-1] if isinstance(kind, str) else kind.__name__


def _window(pipeline):
    return _step(pipeline, 'SampleWindow') or _step(pipeline, 'SampleTimedWindow')


def _step(pipeline, kind):
    kinds = (kind, dict(SampleWindow='SampleFailureWindow').get(kind))  # its subclass
    return next((step for step in steps_of(pipeline) if _kind(step) in kinds), None)
