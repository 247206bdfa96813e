"""Nearest-neighbour video retrieval: R@k, under the name of each paper's way to make the feature.

One search serves them all; they differ in what is searched:

- ``retrieval/context-mean-cosine`` (MemDPC section 5.6): pooled context, mean over windows;
- ``retrieval/block-cosine`` (DPC section 5.1): pooled f(x) of one block, no aggregation;
- ``retrieval/clip-search`` (SSTL section 4.4): every clip of a test video asks, every clip of the
  training videos answers;
- ``retrieval/mean-10-clips`` (FGKVMemPred section 4): mean of 10 uniform clips;
- ``retrieval/multi-view-query`` (its released code): one centre clip in the gallery, the mean of
  many views asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

import numpy as np
import torch
from torch import Tensor

from ..results.protocol_output import ProtocolOutput
from .cosine_scores import CHUNK, TIE, CosineScores, chunks
from .registry import register_protocol

#: The k of R@k in these papers.
KS = (1, 5, 10, 20, 50)


@register_protocol('retrieval/context-mean-cosine', version=1)
@register_protocol(
    'retrieval/block-cosine', version=1, feature='block', views=dict(gallery=1, query=1)
)
@register_protocol('retrieval/clip-search', version=1, clips='each')
@register_protocol('retrieval/mean-10-clips', version=1, views=dict(gallery=10, query=10))
@register_protocol('retrieval/multi-view-query', version=1, views=dict(gallery=1))
def retrieval_cosine(
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    query: np.ndarray,
    query_labels: np.ndarray,
    *,
    ks: Sequence[int] = KS,
    centred: bool = False,
    chunk_size: int = CHUNK,
    seed: int = 0,
    device: str = 'cpu',
) -> ProtocolOutput:
    """R@k: is a row of the query's class among its k nearest gallery rows by cosine?

    A row is a video, or one of its clips; the encoder and the extraction make it, this function
    does the search.

    Ties are counted by expectation: where several gallery rows are equally near, every order of
    them is equally likely. So duplicates do not depend on their place in the list, a constant
    encoder gets exactly chance and a perfect one 100.

    Args:
        gallery: Features of the training videos, ``[G, D]``.
        gallery_labels: Their classes, ``[G]``.
        query: Features of the test videos, ``[Q, D]``.
        query_labels: Their classes, ``[Q]``; every class must occur in the gallery.
        ks: The k of R@k.
        centred: Take the mean gallery feature off both sides first. Features behind a ReLU all
            point the same way; centring spreads them.
        chunk_size: Rows and columns of the largest block of similarities held at once.
        seed: Unused (the search is exact); there for the common signature.
        device: Where to compute; double precision everywhere.

    Returns:
        ``R@k`` in percent for each k.
    """
    scores = CosineScores(query, gallery, centred, device)
    return recall_at_k(scores, gallery_labels, query_labels, ks, chunk_size, device)


def recall_at_k(
    scores: Callable[[slice | Tensor, slice | Tensor], Tensor],
    gallery_labels: np.ndarray,
    query_labels: np.ndarray,
    ks: Sequence[int] = KS,
    chunk_size: int = CHUNK,
    device: str | torch.device = 'cpu',
) -> ProtocolOutput:
    """R@k of any similarity, block by block; ties by expectation (:func:`retrieval_cosine`).

    Args:
        scores: ``scores(rows, columns)`` gives the similarities ``[rows, columns]`` of the queries
            and gallery rows selected by slices or index tensors: a :class:`CosineScores`, or a
            weighted sum of two.
        gallery_labels: ``[G]``.
        query_labels: ``[Q]``.
        ks, chunk_size, device: See :func:`retrieval_cosine`.

    Returns:
        ``R@k`` in percent for each k, and chance.
    """
    ks = sorted({int(k) for k in ks})
    if not ks or ks[0] < 1:
        raise ValueError(f'ks must be positive integers, got {ks}')
    gallery_classes = torch.as_tensor(gallery_labels, device=device)
    query_classes = torch.as_tensor(query_labels, device=device)

    # A query is answered by its nearest gallery row of the right class. So it is enough to know
    # that similarity (searched class by class) and how many rows lie above it or level with it.
    best = torch.full((len(query_labels),), -np.inf, dtype=torch.float64, device=device)
    for label in np.unique(query_labels):
        rows_of_class = torch.as_tensor(np.flatnonzero(query_labels == label))
        same = torch.as_tensor(np.flatnonzero(gallery_labels == label))
        for rows in rows_of_class.split(chunk_size):
            for columns in same.split(chunk_size):
                top = scores(rows, columns).amax(dim=1)
                best[rows] = torch.maximum(best[rows], top)

    above, level, level_right = (
        torch.zeros(len(query_labels), dtype=torch.int64, device=device) for _ in range(3)
    )
    for columns in chunks(len(gallery_labels), chunk_size):
        for rows in chunks(len(query_labels), chunk_size):
            difference = scores(rows, columns) - best[rows, None]
            tied = difference.abs() <= TIE
            above[rows] += (difference > TIE).sum(dim=1)
            level[rows] += tied.sum(dim=1)
            right = query_classes[rows, None] == gallery_classes[None, columns]
            level_right[rows] += (tied & right).sum(dim=1)

    nearer, ties, right_ties = (x.cpu().numpy() for x in (above, level, level_right))
    metrics = {f'R@{k}': 100 * float(_hit_share(k - nearer, ties, right_ties).mean()) for k in ks}
    return ProtocolOutput(metrics, retrieval_chance(gallery_labels, query_labels, ks))


def retrieval_chance(
    gallery_labels: np.ndarray, query_labels: np.ndarray, ks: Sequence[int]
) -> dict[str, float]:
    """R@k of a random order of the gallery, in percent, as a dict ``{'R@k': …}``."""
    gallery_labels, query_labels = np.asarray(gallery_labels), np.asarray(query_labels)
    right = (query_labels[:, None] == np.unique(gallery_labels)[None]) @ np.unique(
        gallery_labels, return_counts=True
    )[1]
    total = np.full_like(right, len(gallery_labels))
    return {
        f'R@{k}': 100 * float(_hit_share(np.full_like(right, k), total, right).mean()) for k in ks
    }


def _hit_share(places, level, right):
    """Chance that ``places`` draws without return from ``level`` videos meet one of the ``right``.

    ``1 - C(level - right, places) / C(level, places)``, as a product that stays exact for large
    numbers. All arguments are integer arrays of one shape; fewer than 1 place gives 0.
    """
    places = np.clip(places, 0, level)
    miss = np.ones(len(level))
    for drawn in range(int(places.max(initial=0))):
        wrong_left = np.maximum(level - right - drawn, 0)
        step = wrong_left / np.maximum(level - drawn, 1)
        miss *= np.where(drawn < places, step, 1.0)
    return 1 - miss
