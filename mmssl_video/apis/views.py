"""Which frames of a video an encoder looks at: pipelines for test time, and windows of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config, ConfigDict
from torch import Tensor


def as_windows(inputs: Tensor, num_blocks: int) -> Tensor:
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


def as_frames(windows: Tensor) -> Tensor:
    """Frames of windows in their order, ``[W, N, C, T, H, W]`` to ``[W, N * T, C, H, W]``."""
    return windows.transpose(2, 3).flatten(1, 2)


def num_blocks_of(pipeline: Sequence[dict]) -> int:
    """Blocks per window of a pipeline: what its ``SplitBlocks`` says, else 1."""
    split = _step(pipeline, 'SplitBlocks')
    return split['num_blocks'] if split else 1


def dataset_of(dataloader: dict | None) -> dict:
    """The dataset in the config of a data loader, without wrappers such as ``RepeatDataset``."""
    dataset = (dataloader or {}).get('dataset') or {}
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


def pipeline_of(dataloader: dict | None) -> list[dict]:
    """Steps of the pipeline in the config of a data loader; [] if none."""
    return [step for step in dataset_of(dataloader).get('pipeline') or [] if isinstance(step, dict)]


def find_pipeline(config: Config | dict) -> list[dict]:
    """Training pipeline of a config: ``train_dataloader``'s or ``train_pipeline``; [] if none."""
    return pipeline_of(config.get('train_dataloader')) or config.get('train_pipeline') or []


def view_pipeline(config: Config | dict, num_windows: int | None = None,
                  **sampling: Any) -> list[ConfigDict]:
    """Test pipeline for an encoder: frames, blocks and size of its training, no augmentation.

    The short side is resized to the training size and the centre square is kept.

    Args:
        config: Config of a pre-training run, with its training pipeline.
        num_windows: That many windows at equal distances; by default windows slide over the whole
            video, overlapping by half, so that their number grows with its length.
        **sampling: Other options of ``SampleWindow``, such as ``stride=1``, ``mode='center'``, or
            ``max_windows=32``: sliding windows, but at most so many, spread over the video.

    Returns:
        Pipeline that gives ``inputs`` of ``[windows * blocks, C, T, H, W]``.

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


def describe_views(pipeline: Sequence[dict]) -> str:
    """One line for a record: ``sliding windows of 40 frames at stride 3, 8 blocks, …``."""
    sample, split = _step(pipeline, 'SampleWindow'), _step(pipeline, 'SplitBlocks')
    parts = []
    if sample is not None:
        count = f'{sample["num_windows"]} ' if sample.get('num_windows') else ''
        if sample.get('max_windows'):
            count = f'at most {sample["max_windows"]} '
        parts.append(f'{count}{sample.get("mode", "random")} windows of {sample.get("num_frames")} '
                     f'frames at stride {sample.get("stride")}')
    if split is not None:
        parts.append(f'{split["num_blocks"]} blocks')
    parts += [f'{step["type"]} {step["crop_size"]}' for step in pipeline if 'crop_size' in step]
    return ', '.join(parts + ['mean over views'])


def _step(pipeline, kind):
    return next((step for step in pipeline if step['type'] == kind), None)
