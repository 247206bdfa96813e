"""What classifiers on cached features share: standardised inputs, folds, and accuracies."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..results.protocol_output import ProtocolOutput
from .cosine_scores import chunks


class Standardise:
    """Mean 0 and deviation 1 by the statistics of a training set.

    Args:
        features: The training set, ``[G, D]``.
        dtype: In which to compute.
        device: Where to compute.
    """

    def __init__(
        self,
        features: ArrayLike,
        dtype: torch.dtype = torch.float64,
        device: str | torch.device = 'cpu',
    ) -> None:
        self.dtype, self.device = dtype, device
        features = np.asarray(features)
        # In double precision, without a double copy of a large set.
        mean = np.mean(features, axis=0, dtype=np.float64)
        squares = sum(
            np.square(features[rows] - mean).sum(axis=0) for rows in chunks(len(features))
        )
        scale = np.sqrt(squares / len(features))
        # Below the resolution of float32 a spread is rounding noise, not a feature.
        scale[scale <= 1e-6 * np.abs(mean)] = np.inf
        scale[scale == 0] = np.inf
        self.mean, self.scale = (
            torch.as_tensor(x, dtype=dtype, device=device) for x in (mean, scale)
        )

    def __call__(self, features: ArrayLike) -> Tensor:
        """``features`` ``[V, D]`` standardised; dimensions without spread become 0."""
        features = torch.as_tensor(features).to(device=self.device, dtype=self.dtype)
        return (features - self.mean) / self.scale


def stratified_folds(targets: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """Deal every class in random order to the folds in turn, ``[G]`` indices 0 to ``folds - 1``.

    The next class goes on where the last one stopped, so that the folds differ by one video at
    most and a class with few videos is not always dealt to the first ones.
    """
    targets = np.asarray(targets)
    generator = np.random.default_rng(seed)
    order = np.concatenate(
        [generator.permutation(np.flatnonzero(targets == label)) for label in np.unique(targets)]
    )
    fold = np.empty(len(targets), dtype=np.int64)
    fold[order] = np.arange(len(order)) % folds
    return fold


def validation_splits(
    targets: np.ndarray, folds: int, validations: int, seed: int
) -> list[np.ndarray]:
    """Masks ``[G]`` of what is held out in turn, for choosing settings on the training set.

    Args:
        targets: Class indices, ``[G]``.
        folds: Stratified parts the training set is cut into.
        validations: How many of them are held out in turn, 1 to ``folds``.
        seed: Seed of the parts.

    Raises:
        ValueError: For settings that leave nothing to train or to validate on.
    """
    if folds < 2 or not 1 <= validations <= folds:
        raise ValueError(
            'the split needs folds >= 2 and 1 <= validations <= folds, '
            f'got folds={folds}, validations={validations}'
        )
    fold = stratified_folds(targets, folds, seed)
    if len(np.unique(fold)) < 2:
        raise ValueError(
            'a probe needs at least 2 training videos, to choose its settings on a part of them'
        )
    masks = [fold == held_out for held_out in range(validations)]
    return [mask for mask in masks if mask.any()]


def classification_output(
    logits: np.ndarray, classes: np.ndarray, query_labels: np.ndarray, details: dict
) -> ProtocolOutput:
    """Accuracies of class scores: ``top1`` and, for more than five classes, ``top5``.

    Ties count by expectation (:func:`expected_hits`).

    Args:
        logits: ``[Q, len(classes)]``.
        classes: Labels of the columns, ascending.
        query_labels: ``[Q]``.
        details: See :class:`ProtocolOutput`.
    """
    truth = np.searchsorted(classes, query_labels)
    ks = (1, 5) if len(classes) > 5 else (1,)
    metrics = {f'top{k}': 100 * float(expected_hits(logits, truth, k).mean()) for k in ks}
    chance = {f'top{k}': 100 * k / len(classes) for k in ks}
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return ProtocolOutput(metrics, chance, details, by_label(shares, classes))


def expected_hits(scores: np.ndarray, labels: np.ndarray, k: int, tie: float = 0.0) -> np.ndarray:
    """How surely the right class is among the k best, ties broken at random.

    Args:
        scores: ``[V, K]``.
        labels: Columns of the right classes, ``[V]``.
        k: Number of guesses.
        tie: Scores no further apart count as equal.

    Returns:
        ``[V]`` from 0 to 1; other than these two only where classes are tied, so that a constant
        classifier gets chance. Scores that are no number (NaN) never hit.
    """
    own = scores[np.arange(len(labels)), labels][:, None]
    better = ~(scores <= own + tie)
    tied = (~better & (scores >= own - tie)).sum(1)
    return np.clip((k - better.sum(1)) / np.maximum(tied, 1), 0, 1)


def by_label(scores: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Scores ``[Q, len(classes)]`` as probabilities ``[Q, K]`` whose column is the label.

    Labels that no training video has get probability 0.
    """
    probabilities = np.zeros((len(scores), int(classes.max()) + 1), dtype=np.float32)
    probabilities[:, classes] = scores / scores.sum(axis=1, keepdims=True)
    return probabilities
