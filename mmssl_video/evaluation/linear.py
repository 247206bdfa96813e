"""Linear probe on cached features: ``linear/cached``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..results.protocol_output import ProtocolOutput
from .class_scores import Standardise, classification_output, validation_splits
from .registry import register_protocol

#: Strengths of the L2 penalty that are tried, from strong to weak.
PENALTIES = (10.0, 1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5)


@register_protocol('linear/cached', version=1)
def linear_cached(
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    query: np.ndarray,
    query_labels: np.ndarray,
    *,
    penalties: Sequence[float] = PENALTIES,
    folds: int = 5,
    validations: int = 1,
    max_iter: int = 200,
    seed: int = 0,
    device: str = 'cpu',
) -> ProtocolOutput:
    """Multinomial logistic regression on standardised features, judged on the query set.

    The features of both sets are standardised with the statistics of the training set. The L2
    penalty is chosen on a stratified split of the *training* set, then the classifier is fitted
    again on all of it. The test set is used for the final figure alone. The problem is convex, so
    full-batch L-BFGS reaches the same optimum every time and there is no learning rate to choose.

    Args:
        gallery: Features of the training videos, ``[G, D]``.
        gallery_labels: Their classes, ``[G]``.
        query: Features of the test videos, ``[Q, D]``.
        query_labels: Their classes, ``[Q]``.
        penalties: Candidates for the factor of ``|W|^2 / 2`` beside the mean
            cross-entropy.
        folds: Stratified parts the training set is cut into.
        validations: How many of the parts serve for validation in turn, 1 to ``folds``:
            1 is a single split, ``folds`` is cross-validation, better for small sets.
        max_iter: Iterations of L-BFGS per fit.
        seed: Seed of the split.
        device: Where to compute; double precision.

    Returns:
        ``top1`` and, for more than five classes, ``top5`` in percent; ``details``
        names the chosen penalty and its validation accuracy.
    """
    classes, targets = np.unique(gallery_labels, return_inverse=True)
    penalty, validation = select_penalty(
        gallery, targets, len(classes), penalties, folds, validations, max_iter, seed, device
    )
    probe = LinearProbe(len(classes), max_iter, device).fit(gallery, targets, penalty)
    scores = probe.scores(query).cpu().numpy()
    return classification_output(
        scores,
        classes,
        query_labels,
        dict(
            penalty=penalty,
            validation_top1=validation,
            train_top1=100
            * float((probe.scores(gallery).argmax(1).cpu().numpy() == targets).mean()),
        ),
    )


class LinearProbe:
    """Standardisation and a linear classifier, both fitted on the training set only.

    Args:
        num_classes: Classes; targets are 0 to ``num_classes - 1``.
        max_iter: Iterations of L-BFGS.
        device: Where to compute.
    """

    def __init__(self, num_classes: int, max_iter: int = 200, device: str = 'cpu') -> None:
        self.num_classes, self.max_iter, self.device = num_classes, max_iter, device
        self.weight: Tensor | None = None
        self.bias: Tensor | None = None

    def fit(self, features: np.ndarray, targets: np.ndarray, penalty: float) -> LinearProbe:
        """Minimise mean cross-entropy + ``penalty / 2 * |W|^2``; the bias is not penalised.

        A second call starts from the weights of the first (which costs less, and ends in the same
        optimum). Returns the probe itself.
        """
        self.standardise = Standardise(features, device=self.device)
        inputs = self.standardise(features)
        truth = torch.as_tensor(targets, device=self.device)
        if self.weight is None or self.bias is None:
            weight = inputs.new_zeros(inputs.shape[1], self.num_classes, requires_grad=True)
            bias = inputs.new_zeros(self.num_classes, requires_grad=True)
        else:
            weight, bias = (x.clone().requires_grad_() for x in (self.weight, self.bias))
        optimizer = torch.optim.LBFGS(
            [weight, bias],
            max_iter=self.max_iter,
            history_size=20,
            tolerance_grad=1e-6,
            line_search_fn='strong_wolfe',
        )

        def closure():
            optimizer.zero_grad()
            loss = F.cross_entropy(inputs @ weight + bias, truth)
            loss = loss + penalty / 2 * weight.square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        self.weight, self.bias = weight.detach(), bias.detach()
        return self

    def scores(self, features: np.ndarray) -> Tensor:
        """Class scores (logits) of ``features`` ``[V, D]``, ``[V, classes]`` float64."""
        if self.weight is None or self.bias is None:
            raise RuntimeError('LinearProbe has no weights yet: fit it before asking for scores')
        return self.standardise(features) @ self.weight + self.bias


def select_penalty(
    features: np.ndarray,
    targets: np.ndarray,
    num_classes: int,
    penalties: Sequence[float] = PENALTIES,
    folds: int = 5,
    validations: int = 1,
    max_iter: int = 200,
    seed: int = 0,
    device: str = 'cpu',
) -> tuple[float, float]:
    """Choose the L2 penalty on stratified splits of the training set.

    Args:
        features: Training features, ``[G, D]``.
        targets: Class indices, ``[G]``, 0 to ``num_classes - 1``.
        num_classes, penalties, folds, validations, max_iter, seed, device: See
            :func:`linear_cached`.

    Returns:
        The penalty of highest validation accuracy (of equal ones that of lowest
        validation cross-entropy), and that accuracy in percent.

    Raises:
        ValueError: For settings that leave nothing to train or to validate on.
    """
    penalties = sorted({float(p) for p in penalties}, reverse=True)
    if not penalties or penalties[-1] < 0:
        raise ValueError(f'penalties must be numbers >= 0, got {penalties}')
    right, loss, count = np.zeros(len(penalties)), np.zeros(len(penalties)), 0
    for test in validation_splits(targets, folds, validations, seed):
        probe = LinearProbe(num_classes, max_iter, device)
        truth = torch.as_tensor(targets[test], device=device)
        for i, penalty in enumerate(penalties):
            scores = probe.fit(features[~test], targets[~test], penalty).scores(features[test])
            right[i] += int((scores.argmax(1) == truth).sum())
            loss[i] += float(F.cross_entropy(scores, truth, reduction='sum'))
        count += int(test.sum())
    best = min(range(len(penalties)), key=lambda i: (-right[i], loss[i]))
    return penalties[best], float(100 * right[best] / count)
