"""How alike clips look to an encoder: over time, across videos, under temporal augmentation.

The analysis of SSTL, Figures 1 and 2 and appendix A.1. (The paper calls similarities within a video
"inter-video" in section 1 and A.1; here they are called what they are.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosine of every row of ``first [M, D]`` with every row of ``second [K, D]``."""
    one, two = (
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        for rows in (first, second)
    )
    return one @ two.T


def mean_and_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half the width of its 95% confidence interval (normal; 0 for a single value)."""
    sample = np.asarray(values, dtype=np.float64)
    spread = sample.std(ddof=1) / len(sample) ** 0.5 if len(sample) > 1 else 0.0
    return float(sample.mean()), float(1.96 * spread)


def against_distance(
    videos: Sequence[tuple[np.ndarray, np.ndarray]], num_bins: int = 10
) -> list[dict]:
    """Similarity of two clips of a video against their distance in time (Figure 2b).

    Args:
        videos: Features ``[K, D]`` and positions t / T ``[K]`` of the clips of each video.
        num_bins: Distances are rounded to so many equal parts of the largest.

    Returns:
        For each part that has pairs: ``distance`` (mean), ``similarity``, ``interval`` and
        ``pairs``. The interval is over videos, since pairs of one video are not independent.

    Raises:
        ValueError: No video has two clips.
    """
    per_pair = []
    for number, (features, positions) in enumerate(videos):
        i, j = np.triu_indices(len(features), 1)
        per_pair.append(
            np.stack(
                [
                    np.full(len(i), number),
                    np.abs(positions[i] - positions[j]),
                    cosines(features, features)[i, j],
                ],
                1,
            )
        )
    rows = np.concatenate(per_pair) if per_pair else np.zeros((0, 3))
    if not len(rows):
        raise ValueError('similarity over time needs videos with two clips at least')
    places = np.rint(rows[:, 1] / max(rows[:, 1].max(), 1e-12) * num_bins).astype(int)
    bins = []
    for place in np.unique(places):
        part = rows[places == place]
        per_video = [part[part[:, 0] == number, 2].mean() for number in np.unique(part[:, 0])]
        mean, interval = mean_and_interval(per_video)
        bins.append(
            dict(
                distance=float(part[:, 1].mean()),
                similarity=mean,
                interval=interval,
                pairs=len(part),
            )
        )
    return bins


def within_and_across(videos: Sequence[np.ndarray], seed: int = 0) -> dict[str, list[float]]:
    """Mean similarity within each video, and with one other video at random (Figure 2a, A.1).

    Args:
        videos: Features ``[K, D]`` of the clips of each video, at least two videos.
        seed: Seed of the choice of other videos.

    Returns:
        ``same video`` (all pairs of different clips) and ``another video``, a value per video.

    Raises:
        ValueError: For fewer than two videos, or a video with one clip.
    """
    if len(videos) < 2 or min(map(len, videos)) < 2:
        raise ValueError(
            'similarity within and across videos needs two videos of two clips each at least'
        )
    generator = np.random.default_rng(seed)
    shifts = generator.integers(1, len(videos), len(videos))
    similarities: dict[str, list[float]] = {'same video': [], 'another video': []}
    for i, (features, shift) in enumerate(zip(videos, shifts)):
        own = cosines(features, features)[np.triu_indices(len(features), 1)]
        similarities['same video'].append(float(own.mean()))
        similarities['another video'].append(
            float(cosines(features, videos[(i + shift) % len(videos)]).mean())
        )
    return similarities
