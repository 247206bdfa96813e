"""k nearest neighbours on cosine similarity: ``knn/cosine`` and DINO's ``knn/weighted``."""

from __future__ import annotations

import numpy as np
import torch

from ..results.protocol_output import ProtocolOutput
from .class_scores import by_label
from .cosine_scores import CHUNK, TIE, cosine_chunks, unit_rows
from .registry import register_protocol


@register_protocol('knn/cosine', version=1)
def knn_cosine(
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    query: np.ndarray,
    query_labels: np.ndarray,
    *,
    k: int = 20,
    chunk_size: int = CHUNK,
    seed: int = 0,
    device: str = 'cpu',
) -> ProtocolOutput:
    """Plain majority vote among the ``k`` gallery videos of highest cosine similarity.

    Ties, in this order: gallery videos equally near at the k-th place share the places left there
    in equal parts; of classes with equally many votes the one with the larger sum of similarities
    wins; where even these are equal, the answer counts by expectation (1 / number of such
    classes). So the order of the list never matters, and a constant encoder gets chance on a
    gallery with equally many videos per class (on another one, the share of its largest class).

    Args:
        gallery: Features of the training videos, ``[G, D]``.
        gallery_labels: Their classes, ``[G]``.
        query: Features of the test videos, ``[Q, D]``.
        query_labels: Their classes, ``[Q]``.
        k: Number of neighbours; a smaller gallery votes as a whole, and ``details`` says so.
        chunk_size: Rows and columns of the largest block of similarities held at once.
        seed: Unused (nothing is drawn); there for the common signature.
        device: Where to compute; double precision everywhere.

    Returns:
        ``top1`` in percent; ``details`` names the ``k`` that was used. The probabilities are the
        shares of the votes.
    """
    votes, similarity, k = _votes(gallery, gallery_labels, query, k, None, chunk_size, device)
    best = _winners(votes, np.ones_like(votes, dtype=bool))
    return _output(votes, _winners(similarity, best), gallery_labels, query_labels, dict(k=k))


@register_protocol('knn/weighted', version=1)
def knn_weighted(
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    query: np.ndarray,
    query_labels: np.ndarray,
    *,
    k: int = 20,
    temperature: float = 0.07,
    chunk_size: int = CHUNK,
    seed: int = 0,
    device: str = 'cpu',
) -> ProtocolOutput:
    """Vote of the ``k`` nearest, each weighted by ``exp(cosine / temperature)``.

    The k-NN of DINO (Caron et al. 2021, appendix F; from Wu et al. 2018, section 3.4). Ties as in
    :func:`knn_cosine`, without the second step. Arguments, returns: see there.

    Args:
        temperature: 0.07 in the papers.
    """
    if temperature <= 0:
        raise ValueError(f'temperature must be positive, got {temperature}')
    votes, _, k = _votes(gallery, gallery_labels, query, k, temperature, chunk_size, device)
    winners = _winners(votes, np.ones_like(votes, dtype=bool))
    return _output(votes, winners, gallery_labels, query_labels, dict(k=k, temperature=temperature))


def _votes(gallery, gallery_labels, query, k, temperature, chunk_size, device):
    """Votes and summed similarities per query and class, ``[Q, classes]`` each, and the k used."""
    if k < 1:
        raise ValueError(f'k must be at least 1, got {k}')
    k = min(int(k), len(gallery))
    classes, inverse = np.unique(gallery_labels, return_inverse=True)
    targets = torch.as_tensor(inverse, device=device)
    queries, gallery = unit_rows(query, device), torch.as_tensor(gallery)

    nearest = torch.full((len(queries), k), -np.inf, dtype=torch.float64, device=device)
    for rows, _, scores in cosine_chunks(queries, gallery, chunk_size):
        nearest[rows] = torch.cat([nearest[rows], scores], dim=1).topk(k, dim=1).values
    last = nearest[:, -1]  # similarity of the k-th neighbour

    # First index of each: 0 for neighbours above any tie with the k-th one, 1 for those in the tie.
    shape = (2, len(queries), len(classes))
    votes, sums = (torch.zeros(shape, dtype=torch.float64, device=device) for _ in range(2))
    counts = torch.zeros(shape[:2], dtype=torch.float64, device=device)
    for rows, columns, scores in cosine_chunks(queries, gallery, chunk_size):
        row, column = (scores >= last[rows, None] - TIE).nonzero(as_tuple=True)
        score, row = scores[row, column], row + rows.start
        tied = (score <= last[row] + TIE).long()
        weight = torch.ones_like(score) if temperature is None else (score / temperature).exp()
        index = (tied, row, targets[columns][column])
        votes.index_put_(index, weight, accumulate=True)
        sums.index_put_(index, score, accumulate=True)
        counts.index_put_((tied, row), torch.ones_like(score), accumulate=True)
    share = ((k - counts[0]) / counts[1])[:, None]
    return (
        (votes[0] + share * votes[1]).cpu().numpy(),
        (sums[0] + share * sums[1]).cpu().numpy(),
        k,
    )


def _winners(scores, among):
    """Which classes of ``among`` have the highest score, up to rounding, ``[Q, classes]`` bool."""
    masked = np.where(among, scores, -np.inf)
    top = masked.max(axis=1, keepdims=True)
    return masked >= top - 1e-9 * np.maximum(1, np.abs(top))


def _output(votes, winners, gallery_labels, query_labels, details):
    classes = np.unique(gallery_labels)
    hit = winners[np.arange(len(winners)), np.searchsorted(classes, query_labels)]
    top1 = 100 * float((hit / winners.sum(axis=1)).mean())
    return ProtocolOutput(
        dict(top1=top1), dict(top1=100 / len(classes)), details, by_label(votes, classes)
    )
