"""How many blocks a dense predictive model predicts in an epoch, by a curriculum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def prediction_stages(
    schedule: Mapping[int, int] | Sequence[tuple[int, int]],
) -> list[tuple[int, int]]:
    """The stages of a curriculum in their order, ``(first epoch, prediction steps)``.

    Args:
        schedule: ``{first epoch (from 0): prediction steps}``, or pairs of them. It must begin
            with epoch 0.

    Raises:
        ValueError: The schedule is empty, does not begin with epoch 0, or holds other things than
            whole numbers.
    """
    pairs = schedule.items() if isinstance(schedule, Mapping) else schedule
    try:
        stages = sorted((int(epoch), int(steps)) for epoch, steps in pairs)
    except (TypeError, ValueError):
        raise ValueError(
            f'the schedule of PredictionStepsHook must be {{epoch: prediction steps}}, '
            f'not {schedule!r}'
        ) from None
    if not stages or stages[0][0] != 0:
        raise ValueError(
            f'the schedule of PredictionStepsHook must begin with epoch 0, not {schedule!r}'
        )
    return stages


def steps_at(stages: Sequence[tuple[int, int]], epoch: int) -> int:
    """Prediction steps in an epoch (counted from 0)."""
    return [steps for first, steps in stages if first <= epoch][-1]
