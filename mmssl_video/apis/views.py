"""Which frames of a video an encoder looks at: pipelines for test time, and windows of blocks."""

from __future__ import annotations

from mmengine.config import ConfigDict


def as_windows(inputs, num_blocks):
    """Unfold the clip axis of a sample, ``[W * N, C, T, H, W]`` to ``[W, N, C, T, H, W]``.

    Raises:
        ValueError: When the clips are no whole number of windows.
    """
    if inputs.ndim != 5:
        raise ValueError('a sample must have shape [clips, channels, frames, height, width], got '
                         f'{list(inputs.shape)}')
    if len(inputs) % num_blocks:
        raise ValueError(f'a sample of {len(inputs)} clips is no whole number of windows of '
                         f'{num_blocks} blocks')
    return inputs.unflatten(0, (-1, num_blocks))


def as_frames(windows):
    """Frames of windows in their order, ``[W, N, C, T, H, W]`` to ``[W, N * T, C, H, W]``."""
    return windows.transpose(2, 3).flatten(1, 2)


def num_blocks_of(pipeline):
    """Blocks per window of a pipeline: what its ``SplitBlocks`` says, else 1."""
    split = _step(pipeline, 'SplitBlocks')
    return split['num_blocks'] if split else 1


def find_pipeline(config):
    """Training pipeline of a config: ``train_dataloader``'s or ``train_pipeline``; [] if none."""
    dataset = config.get('train_dataloader') or {}
    while isinstance(dataset, dict) and 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset.get('pipeline') or config.get('train_pipeline') or []


def view_pipeline(config, num_windows=None, **sampling):
    """Test pipeline for an encoder: frames, blocks and size of its training, no augmentation.

    The short side is resized to the training size and the centre square is kept.

    Args:
        config (Config): Config of a pre-training run, with its training pipeline.
        num_windows (int, optional): That many windows at equal distances; by default windows slide
            over the whole video, overlapping by half.
        **sampling: Other options of ``SampleWindow``, such as ``stride=1`` or ``mode='center'``.

    Returns:
        list[dict]: Pipeline that gives ``inputs`` of ``[windows * blocks, C, T, H, W]``.

    Raises:
        ValueError: When the config does not say which frames the encoder was trained on.
    """
    training = find_pipeline(config)
    sample, split = _step(training, 'SampleWindow'), _step(training, 'SplitBlocks')
    scales = [step['scale'] for step in training if step['type'] == 'Resize']
    if sample is None or not scales:
        raise ValueError(
            "the encoder's config has no training pipeline with SampleWindow and Resize, so the "
            'frames it expects are unknown: give a config that has one (--encoder-config), or '
            'describe the videos by a dataset config with a pipeline of its own')
    size = min(side for side in scales[-1] if side > 0)  # -1: whatever keeps the aspect
    options = {k: sample[k] for k in ('num_frames', 'stride', 'short') if k in sample}
    options.update(mode='sliding') if num_windows is None else options.update(
        mode='uniform', num_windows=num_windows)
    options.update(sampling)
    steps = [dict(type='VideoInit'), dict(type='SampleWindow', **options),
             dict(type='DecodeFrames'), dict(type='Resize', scale=(-1, size)),
             dict(type='CenterCrop', crop_size=size)]
    if split is not None:
        steps.append(dict(split))
    return [ConfigDict(step) for step in steps + [
        dict(type='FormatShape', input_format='NCTHW'), dict(type='PackActionInputs')]]


def describe_views(pipeline):
    """One line for a record: ``sliding windows of 40 frames at stride 3, 8 blocks, …``."""
    sample, split = _step(pipeline, 'SampleWindow'), _step(pipeline, 'SplitBlocks')
    parts = []
    if sample is not None:
        count = f'{sample["num_windows"]} ' if sample.get('num_windows') else ''
        parts.append(f'{count}{sample.get("mode", "random")} windows of {sample.get("num_frames")} '
                     f'frames at stride {sample.get("stride")}')
    if split is not None:
        parts.append(f'{split["num_blocks"]} blocks')
    parts += [f'{step["type"]} {step["crop_size"]}' for step in pipeline if 'crop_size' in step]
    return ', '.join(parts + ['mean over views'])


def _step(pipeline, kind):
    return next((step for step in pipeline if step['type'] == kind), None)
