"""Features of the lists of evaluations, every video read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

from torch import Tensor

from ..datasets.union import UnionDataset
from ..settings.evaluation import ROLES, EvaluationPlan, infos_of
from .encoder import Encoder
from .features import FeatureSet, extract_needs


def extract_lists(
    plans: Sequence[EvaluationPlan],
    encoders: Sequence[Encoder],
    trivial: dict[str, Callable[[Tensor, Any], Tensor]],
    progress: bool = True,
) -> list[dict[str, list[dict[tuple[str, str], FeatureSet]]]]:
    """Features of all lists; a video that stands in several is read once.

    Args:
        plans: Evaluations that differ in their lists alone.
        encoders: Trained and untrained ones.
        trivial: Baselines, see :func:`extract_needs`.
        progress: Show progress lines.

    Returns:
        For each plan, by role: one dictionary per encoder and trivial baseline, in this order, of
        features by need.
    """
    first = plans[0]
    sets: list[dict[str, list]] = [{} for _ in plans]
    # where gallery and query are seen alike, a video may be of the one in one split and of the
    # other in the next
    for roles in [ROLES] if len(plans) > 1 and first.is_one_view else [(role,) for role in ROLES]:
        lists = [plan.datasets[role] for plan in plans for role in roles]
        dataset = lists[0] if len(lists) == 1 else UnionDataset(lists)
        loader = first.loaders[roles[0]]
        columns = extract_needs(
            encoders,
            trivial,
            dataset,
            first.needs,
            what=' and '.join(roles),
            batch_size=loader.get('batch_size', 8),
            num_workers=loader.get('num_workers', 0),
            window_batch=first.window_batch,
            max_bad_share=first.max_bad_share,
            progress=progress,
        )
        for by_role, plan in zip(sets, plans):
            for role in roles:
                by_role[role] = columns
                if len(lists) > 1:
                    names, labels = infos_of(plan.datasets[role])
                    by_role[role] = [
                        {need: features.select(names, labels) for need, features in column.items()}
                        for column in columns
                    ]
    return sets
