"""Settings of the optimizer that a resumed run changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mmaction.registry import HOOKS
from mmengine.hooks import Hook


@HOOKS.register_module()
class ResumedOptimizerHook(Hook):
    """Lets settings of the optimizer take effect that differ from those of the checkpoint.

    mmengine restores the whole state of an optimizer, its learning rate as well. Numbers are
    scaled, in every parameter group and in the schedules of that number, by what is new over what
    the checkpoint's run began with: multipliers and the place in a schedule stay as they are.

    Args:
        changes: ``{name: (value in the checkpoint's config, new value)}``, names as in the config
            of the optimizer.
    """

    priority = 'VERY_HIGH'

    def __init__(self, changes: Mapping[str, tuple[Any, Any]]) -> None:
        self.changes = dict(changes)

    def before_train(self, runner) -> None:
        wrapper = runner.optim_wrapper
        for name, (old, new) in self.changes.items():
            is_scaled = _is_number(old) and _is_number(new) and old != 0
            for group in [*wrapper.param_groups, wrapper.base_param_settings or {}]:
                for key in (name, f'initial_{name}'):
                    if key in group:
                        group[key] = group[key] * (new / old) if is_scaled else new
            for scheduler in _schedulers(runner.param_schedulers):
                if is_scaled and scheduler.param_name == name:
                    scheduler.base_values = [value * (new / old) for value in scheduler.base_values]
            runner.logger.info(
                f'optim_wrapper.optimizer.{name} is {new} from here on; the checkpoint was trained '
                f'with {old}.'
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _schedulers(schedulers: Any) -> Iterable[Any]:
    if isinstance(schedulers, dict):
        return [each for part in schedulers.values() for each in part]
    return schedulers or []
