"""Pipelines in configs: a list of steps, or steps by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """
    if pipeline is None:
        return []
    if isinstance(pipeline, Mapping):
        if 'type' in pipeline:
            raise TypeError(
                f'a pipeline must be a list of steps or a dict of named steps, not the single step '
                f'{pipeline["type"]!r}'
            )
        return [step for step in pipeline.values() if step is not None]
    if isinstance(pipeline, (str, bytes)) or not isinstance(pipeline, Sequence):
        raise TypeError(
            f'a pipeline must be a list of steps or a dict of named steps, not {pipeline!r}'
        )
    return list(pipeline)


def flat_steps(pipeline: Pipeline) -> Iterator[Mapping[str, Any]]:
    """Configs of a pipeline's steps, those inside wrappers such as ``PerClip`` in their place."""
    for step in steps_of(pipeline):
        if not isinstance(step, Mapping):
            continue
        yield step
        inside = step.get('transforms') or step.get('transform')
        if inside is not None:
            yield from flat_steps([inside] if 'type' in inside else inside)


def build_steps(pipeline: Pipeline) -> list[Callable]:
    """Build the transforms of a pipeline from mmaction2's registry, whatever the default scope."""
    from mmaction.registry import TRANSFORMS

    return [step if callable(step) else TRANSFORMS.build(step) for step in steps_of(pipeline)]
