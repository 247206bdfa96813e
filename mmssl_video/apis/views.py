"""Functions of :mod:`mmssl_video.datasets.views` under their former names."""

from __future__ import annotations

from typing import Any

from mmengine.config import ConfigDict

from mmssl_video.datasets.pipelines import dataset_of, pipeline_of, training_pipeline  # noqa: F401
from mmssl_video.datasets.views import test_pipeline, view_of
from mmssl_video.datasets.windows import as_frames, as_windows  # noqa: F401

find_pipeline = training_pipeline


def num_blocks_of(pipeline: Any) -> int:
    """Blocks per window of a pipeline."""
    return view_of(pipeline).num_blocks


def num_views_of(pipeline: Any) -> int | None:
    """Views that a pipeline takes of every video; None if that varies."""
    return view_of(pipeline).num_views


def modality_of(config: Any) -> dict[str, str]:
    """What an encoder's config was trained on: ``modality`` (RGB or Flow) and file ``suffix``."""
    dataset = dataset_of(config.get('train_dataloader'))
    return dict(modality=dataset.get('modality', 'RGB'), suffix=dataset.get('suffix', ''))


def frames_of(pipeline: Any) -> dict[str, Any]:
    """What a pipeline shows of a video: ``dict(num_frames, stride, size)``, where it says so."""
    view = view_of(pipeline)
    frames = dict(num_frames=view.num_frames, stride=view.stride, size=view.size)
    return {name: value for name, value in frames.items() if value is not None}


def view_pipeline(config: Any, num_windows: int | None = None, **options: Any) -> list[ConfigDict]:
    """Test pipeline for an encoder, as a list; see :func:`mmssl_video.datasets.views`."""
    return list(test_pipeline(view_of(config), num_windows, **options).values())


def describe_views(pipeline: Any) -> str:
    """One line for a record."""
    return view_of(pipeline).sentence
