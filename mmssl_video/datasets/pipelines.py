"""Pipelines in configs: a list of steps, or steps by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Union

Pipeline = Union[Sequence[Any], Mapping[str, Any], None]


def steps_of(pipeline: Pipeline) -> list[Any]:
    """Steps of a pipeline in their order.

    A pipeline is a list, as everywhere in mmengine, or a dict of named steps. With names a config
    that inherits it changes one step, ``pipeline=dict(sample=dict(stride=2))``, and leaves one out
    by ``pipeline=dict(colour=None)``, wherever they stand.

    Args:
        pipeline: Configs of transforms, or transforms; None for no pipeline.

    Returns:
        The steps, without those that are None.

    Raises:
        TypeError: It is neither a list nor a dict of steps.
        ValueError: A named step has no type, as after a slip in its name.
    """
    if pipeline is None:
        return []
    if isinstance(pipeline, Mapping):
        if 'type' in pipeline:
            raise TypeError(
                f'a pipeline must be a list of steps or a dict of named steps, not the single step '
                f'{pipeline["type"]!r}'
            )
        steps = {name: step for name, step in pipeline.items() if step is not None}
        for name, step in steps.items():
            if isinstance(step, Mapping) and 'type' not in step:
                raise ValueError(
                    f'the step {name!r} of a pipeline has no type: its steps are '
                    f'{", ".join(other for other in steps if other != name)}'
                )
        return list(steps.values())
    if isinstance(pipeline, (str, bytes)) or not isinstance(pipeline, Sequence):
        raise TypeError(
            f'a pipeline must be a list of steps or a dict of named steps, not {pipeline!r}'
        )
    return list(pipeline)


def located_steps(pipeline: Pipeline) -> Iterator[tuple[str, Any]]:
    """Steps of a pipeline with their places, those inside wrappers such as ``PerClip`` too.

    Yields:
        The keys that lead to a step, ``'views.transforms.resize'`` or ``'4.transforms.1'``, and the
        step; a wrapper comes before what it holds.
    """
    named = pipeline.items() if isinstance(pipeline, Mapping) else enumerate(steps_of(pipeline))
    steps_of(pipeline)  # refuses what is no pipeline
    for name, step in named:
        if step is None:
            continue
        yield str(name), step
        for key in ('transforms', 'transform'):
            inside = step.get(key) if isinstance(step, Mapping) else None
            if isinstance(inside, Mapping) and 'type' in inside:
                yield f'{name}.{key}', inside
            elif inside is not None:
                for place, part in located_steps(inside):
                    yield f'{name}.{key}.{place}', part


def build_steps(pipeline: Pipeline) -> list[Callable]:
    """Build the transforms of a pipeline from mmaction2's registry, whatever the default scope."""
    from mmaction.registry import TRANSFORMS

    return [step if callable(step) else TRANSFORMS.build(step) for step in steps_of(pipeline)]


def dataset_of(dataloader: Mapping | None) -> MutableMapping[str, Any]:
    """The dataset in the config of a data loader, without wrappers such as ``RepeatDataset``."""
    dataset = (dataloader or {}).get('dataset') or {}
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


def pipeline_of(dataloader: Mapping | None) -> list[Mapping]:
    """Steps of the pipeline in the config of a data loader; [] if none."""
    steps = steps_of(dataset_of(dataloader).get('pipeline'))
    return [step for step in steps if isinstance(step, Mapping)]


def training_pipeline(config: Any) -> Pipeline:
    """Training pipeline of a config: ``train_dataloader``'s or ``train_pipeline``; [] if none."""
    return pipeline_of(config.get('train_dataloader')) or config.get('train_pipeline') or []


def with_meta_keys(pipeline: Pipeline, keys: Sequence[str]) -> Any:
    """A pipeline whose samples hand on more of what is known of a video.

    Args:
        pipeline: Configs of its steps; its last one, ``PackActionInputs``, gets the keys.
        keys: To add to its ``meta_keys``.

    Returns:
        A changed copy, of the same form.

    Raises:
        ValueError: The pipeline does not end by packing.
    """
    changed: Any = dict(pipeline) if isinstance(pipeline, Mapping) else steps_of(pipeline)
    items = changed.items() if isinstance(changed, dict) else enumerate(changed)
    name, last = next(((name, step) for name, step in reversed(list(items)) if step), (None, {}))
    if not isinstance(last, dict) or str(last.get('type')).split('.')[-1] != 'PackActionInputs':
        raise ValueError('the pipeline does not end in PackActionInputs, which features need')
    before = last.get('meta_keys', ('img_shape',))
    added = tuple(key for key in keys if key not in before)
    changed[name] = type(last)(last, meta_keys=(*before, *added))
    return changed
