"""How far to trust an accuracy: its confidence interval."""

from __future__ import annotations

from statistics import NormalDist


def wilson_interval(
    accuracy: float, num_queries: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson, JASA 1927, eq. for the score interval).

    Unlike the plain normal approximation it stays within 0 and 1 and is sound for small sets and
    for accuracies near 0 or 1. It speaks of the choice of queries only, not of training seeds.

    Args:
        accuracy: Share of right answers, in [0, 1]; fractional hits are allowed.
        num_queries: Number of answers.
        confidence: Coverage, 0.95 by default.

    Returns:
        Lower and upper bound, in [0, 1].

    Raises:
        ValueError: For no query, or an accuracy outside [0, 1].
    """
    if num_queries < 1:
        raise ValueError('a confidence interval needs at least one query')
    if not 0 <= accuracy <= 1:
        raise ValueError(f'accuracy must lie in [0, 1], got {accuracy}')
    z2 = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2
    centre = (accuracy + z2 / (2 * num_queries)) / (1 + z2 / num_queries)
    spread = accuracy * (1 - accuracy) / num_queries + z2 / (4 * num_queries**2)
    half = (z2 * spread) ** 0.5 / (1 + z2 / num_queries)
    # The accuracy itself always lies within; rounding must not say otherwise at 0 and 1.
    return max(0.0, min(centre - half, accuracy)), min(1.0, max(centre + half, accuracy))
