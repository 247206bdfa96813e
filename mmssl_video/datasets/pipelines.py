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


def keys_of(pipeline: Pipeline) -> list[str]:
    """How ``--cfg-options`` names the steps of :func:`steps_of`: by name, or by place in a list."""
    if isinstance(pipeline, Mapping):
        return [str(name) for name, step in pipeline.items() if step is not None]
    return [str(place) for place in range(len(steps_of(pipeline)))]


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
