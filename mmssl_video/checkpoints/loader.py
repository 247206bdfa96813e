"""Loading weights into a model with a report, and refusing those of another architecture."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import nn

from .io import CheckpointError, some, state_dict_of

_BN_STATISTICS = ('running_mean', 'running_var', 'num_batches_tracked')


@dataclass(frozen=True)
class LoadReport:
    """What became of the keys of a checkpoint.

    Attributes:
        source: Name of the checkpoint.
        loaded: Keys that are now in the model.
        missing: Keys of the model that the checkpoint lacks: they keep their values.
        unexpected: Keys of the checkpoint that were not loaded.
        mismatched: ``key (shape in the checkpoint, shape in the model)``.
        notices: Sentences on what the user should know.
    """

    source: str
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f'{self.source}: {len(self.loaded)} keys loaded, {len(self.missing)} missing, '
            f'{len(self.unexpected)} unexpected, {len(self.mismatched)} of another shape'
        ]
        for name in ('missing', 'unexpected', 'mismatched'):
            keys = getattr(self, name)
            if keys:
                lines.append(f'  {name}: {some(keys, 8)}')
        return '\n'.join(lines + [f'  notice: {notice}' for notice in self.notices])


def load_encoder(
    model: nn.Module,
    state_dict: Mapping[str, torch.Tensor],
    source: str = 'the checkpoint',
    prefixes: tuple[str, ...] = ('backbone', 'neck'),
) -> LoadReport:
    """Load backbone and neck, and print the report.

    A part that the checkpoint lacks altogether keeps its initialisation (a notice says so); so does
    the second direction of a bidirectional neck that the model does not have. Running statistics of
    batch norm may be absent on either side (DPC pre-trains without them): the model's then keep
    their values, 0 and 1 in a new model.

    Args:
        model: Any recognizer with these parts, wrapped for parallel training or not.
        state_dict: Weights, or a checkpoint that holds them; ``module.`` prefixes are taken off.
        source: How messages name the checkpoint.
        prefixes: Parts to load.

    Returns:
        The report.

    Raises:
        CheckpointError: Nothing of the encoder is there, or it belongs to another architecture. The
            model is then unchanged.
    """
    return _load(model, state_dict, source, prefixes)


def load_full(
    model: nn.Module, state_dict: Mapping[str, torch.Tensor], source: str = 'the checkpoint'
) -> LoadReport:
    """Load all weights of a model, and print the report; see :func:`load_encoder`.

    Raises:
        CheckpointError: A key is missing, unexpected or of another shape. The model is then
            unchanged.
    """
    return _load(model, state_dict, source, None)


def _load(
    model: nn.Module, state_dict: Mapping, source: str, prefixes: tuple[str, ...] | None
) -> LoadReport:
    if is_model_wrapper(model):
        model = cast(nn.Module, model.module)
    report = match_weights(model, state_dict, source, prefixes)
    given = state_dict_of(state_dict, source)
    model.load_state_dict({key: given[key] for key in report.loaded}, strict=False)
    print_log(
        str(report), logger='current', level=logging.WARNING if report.notices else logging.INFO
    )
    return report


def match_weights(
    model: nn.Module,
    state_dict: Mapping[str, torch.Tensor],
    source: str = 'the checkpoint',
    prefixes: tuple[str, ...] | None = None,
) -> LoadReport:
    """What loading would do, without doing it; the parts ``prefixes``, or the whole model.

    Raises:
        CheckpointError: The weights belong to another architecture, see :func:`load_encoder`, or
            hold NaN.
    """
    given = state_dict_of(state_dict, source)
    report = _compare(given, model.state_dict(), source, prefixes)
    _refuse_other_architecture(report, given, prefixes or ('',))
    broken = has_nan({key: given[key] for key in report.loaded})
    if broken:
        raise CheckpointError(
            f'{source} is of a run that diverged: {len(broken)} of its {len(report.loaded)} '
            f'weights hold NaN, {some(broken)}; take a checkpoint from before, or train again '
            'with a lower learning rate.'
        )
    return report


def has_nan(weights: Mapping[str, torch.Tensor]) -> list[str]:
    """Names of the tensors that hold NaN. (Infinity may be meant, as in a mask.)"""
    return [
        name
        for name, value in weights.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.isnan().any()
    ]


def _within(key: str, part: str) -> bool:
    return not part or key.startswith(f'{part}.')


def _compare(
    given: dict, wanted: dict, source: str, prefixes: tuple[str, ...] | None
) -> LoadReport:
    report = LoadReport(source)
    parts = prefixes or ('',)
    for key, value in given.items():
        if key not in wanted or not any(_within(key, part) for part in parts):
            report.unexpected.append(key)
        elif value.shape != wanted[key].shape:
            report.mismatched.append(f'{key} {tuple(value.shape)} for {tuple(wanted[key].shape)}')
        else:
            report.loaded.append(key)
    report.missing.extend(
        key for key in wanted if key not in given and any(_within(key, part) for part in parts)
    )
    for part in prefixes or ():
        if not any(_within(key, part) for key in given) and any(
            _within(key, part) for key in wanted
        ):
            report.notices.append(f'the checkpoint has no {part}; it keeps its initialisation')
    # a counter that is absent (files of torch < 0.4.1) changes nothing unless momentum is None
    statistics = [
        key
        for key in report.missing
        if key.endswith(_BN_STATISTICS[:2]) and f'{key.rpartition(".")[0]}.weight' in report.loaded
    ]
    if statistics:
        report.notices.append(
            f'the checkpoint was trained without running BN statistics: {len(statistics) // 2} '
            'layers keep those of the model (0 and 1 when new); train, or calibrate them on clips, '
            'before using evaluation mode'
        )
    unused = [
        key
        for key in report.unexpected
        if key.endswith(_BN_STATISTICS[:2]) and f'{key.rpartition(".")[0]}.weight' in report.loaded
    ]
    if unused:
        report.notices.append(
            f"the checkpoint's running BN statistics ({len(unused) // 2} layers) are not used: the "
            'model has track_running_stats=False and normalises with the statistics of each batch'
        )
    return report


def _refuse_other_architecture(report: LoadReport, given: dict, parts: tuple[str, ...]) -> None:
    advice = 'build the model with the settings it was trained with (they are in its config)'
    what = 'model' if parts == ('',) else f'encoder ({" and ".join(parts)})'
    if not report.loaded and not report.mismatched:
        raise CheckpointError(
            f'{report.source} holds nothing of the {what}: its keys are {some(list(given))}.'
        )
    if report.mismatched:
        raise CheckpointError(
            f'{report.source} is of another architecture: {len(report.mismatched)} shapes differ, '
            f'{some(report.mismatched)}; {advice}.'
        )
    if parts == ('',):
        heads = {key.split('.', 1)[0] for key in given}
        absent = list(dict.fromkeys(key.split('.', 1)[0] for key in report.missing))
        absent = [part for part in absent if part not in heads]
        if absent:
            raise CheckpointError(
                f'{report.source} has no {" and no ".join(absent)}, only {", ".join(sorted(heads))}'
                ', and the whole model is needed here: use it as an encoder (probes, features, '
                "load_from), or convert the authors' file with --to full."
            )
    for part in parts:
        if not any(_within(key, part) for key in given):
            continue  # a part that is absent altogether is only reported
        missing = [
            key for key in report.missing if _within(key, part) and not key.endswith(_BN_STATISTICS)
        ]
        if missing:
            raise CheckpointError(
                f'{report.source} is of another architecture: it lacks {len(missing)} keys of the '
                f'{part or "model"}, {some(missing)}; {advice}.'
            )
        # A deeper backbone holds every key of a shallower one, with the same shapes: leftovers give
        # it away. A neck may have a second direction that the model does not use.
        left = [
            key
            for key in report.unexpected
            if _within(key, part)
            and not key.endswith(_BN_STATISTICS)
            and not (parts != ('',) and key.startswith('neck.backward_cells.'))
        ]
        if left:
            raise CheckpointError(
                f'{report.source} is of another architecture: {len(left)} keys of its '
                f'{part or "state dict"} have no place in the model, {some(left)}; {advice}.'
            )
