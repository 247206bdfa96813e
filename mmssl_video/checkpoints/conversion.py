"""What a conversion gives, and the check that nothing of the model is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmaction.registry import MODELS

from .io import CheckpointError, some


@dataclass(frozen=True)
class Conversion:
    """A converted checkpoint and what became of each key.

    Attributes:
        state_dict: Weights under our names.
        model: Config of the recognizer they belong to.
        target: ``'encoder'``, ``'full'`` or ``'classifier'``.
        used: ``{official key: our key}``.
        ignored: ``{official key: why}``.
        missing: Keys that the file lacks and the model can do without.
    """

    state_dict: dict[str, torch.Tensor]
    model: dict[str, Any]
    target: str
    used: dict[str, str]
    ignored: dict[str, str]
    missing: list[str]

    def __str__(self) -> str:
        lines = [f'used {len(self.used)} keys']
        lines += [
            f'  {old}' + (f' -> {new}' if new != old else '') for old, new in self.used.items()
        ]
        lines += [f'ignored {len(self.ignored)} keys']
        lines += [f'  {key} ({why})' for key, why in self.ignored.items()]
        lines += [f'missing {len(self.missing)} keys']
        lines += [f'  {key}' for key in self.missing]
        return '\n'.join(lines)


@dataclass(frozen=True)
class Adapter:
    """Reads the files of one release.

    Attributes:
        convert: Called with the checkpoint, the target (None for all the file holds), blocks of a
            clip, predicted blocks, how messages name the file, and whether a stem pools (None where
            the user does not say); gives a :class:`Conversion`.
        pipeline: Called with the conversion, the checkpoint, blocks of a clip, the side of the
            frames in pixels (None where the user does not say), and how messages name the file;
            gives the steps by which the authors' models see videos.
    """

    convert: Callable[[Mapping[str, Any], str | None, int, int, str, bool | None], Conversion]
    pipeline: Callable[[Conversion, Mapping[str, Any], int, int | None, str], list[dict]]


def complete(
    weights: dict,
    config: dict,
    parts: tuple,
    origin: str,
    source: str,
    official_name: Callable[[str], str],
) -> list[str]:
    """Compare converted weights with the model that the config builds.

    Args:
        weights: Weights under our names; harmless missing ones are filled in.
        config: Config of the recognizer.
        parts: Parts of it that must be there.
        origin: Whose checkpoint it is, for messages.
        source: How messages name the file.
        official_name: Gives the authors' name of one of our keys.

    Returns:
        The missing keys that do no harm.

    Raises:
        CheckpointError: A key is missing, has no place in the model, or is of another shape.
    """
    try:
        with torch.device('meta'):  # names and shapes only
            wanted = MODELS.build(config).state_dict()
    except ValueError as error:
        raise CheckpointError(
            f'{source} holds no {origin} model that can be built: {error}.'
        ) from None
    wanted = {key: value for key, value in wanted.items() if key.split('.', 1)[0] in parts}
    absent = [key for key in wanted if key not in weights]
    # torch < 0.4.1 did not count batches, and nothing here reads the counter
    harmless = [key for key in absent if key.endswith('.num_batches_tracked')]
    needed = [official_name(key) for key in absent if key not in harmless]
    if needed:
        raise CheckpointError(
            f'{source} lacks {len(needed)} key{"s" * (len(needed) > 1)} that the model needs: '
            f'{some(needed)}.'
        )
    left = [official_name(key) for key in weights if key not in wanted]
    if left:
        raise CheckpointError(
            f'{source} has {len(left)} keys that no {origin} model of its kind has: {some(left)}.'
        )
    wrong = [
        f'{official_name(key)} {tuple(weights[key].shape)} instead of {tuple(wanted[key].shape)}'
        for key in wanted
        if key in weights and weights[key].shape != wanted[key].shape
    ]
    if wrong:
        raise CheckpointError(f'{source} contradicts itself: {some(wrong)}.')
    weights.update({key: torch.zeros((), dtype=torch.long) for key in harmless})
    return [official_name(key) for key in harmless]
