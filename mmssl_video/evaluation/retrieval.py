"""Nearest-neighbour video retrieval: ``retrieval/context-mean-cosine``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .registry import ProtocolOutput, register_protocol
from .similarity import TIE, cosine_chunks, unit_rows


@register_protocol('retrieval/context-mean-cosine', version=1)
def retrieval_cosine(gallery: np.ndarray, gallery_labels: np.ndarray, query: np.ndarray,
                     query_labels: np.ndarray, *, ks: Sequence[int] = (1, 5, 10, 20),
                     chunk_size: int = 4096, seed: int = 0, device: str = 'cpu'
                     ) -> ProtocolOutput:
    """R@k of MemDPC: is a video of the query's class among its k nearest gallery videos?

    MemDPC (Han, Xie, Zisserman 2020, "video retrieval"): the feature of a video is its context
    c_t, averaged over places and over sliding windows; features are compared by cosine. The
    encoder and the extraction make the feature, this function does the search.

    Ties are counted by expectation: where several gallery videos are equally near, every order of
    them is equally likely. So duplicates do not depend on their place in the list, a constant
    encoder gets exactly chance and a perfect one 100.

    Args:
        gallery: Features of the training videos, ``[G, D]``.
        gallery_labels: Their classes, ``[G]``.
        query: Features of the test videos, ``[Q, D]``.
        query_labels: Their classes, ``[Q]``; every class must occur in the gallery.
        ks: The k of R@k.
        chunk_size: Rows and columns of the largest block of similarities held at once.
        seed: Unused (the search is exact); there for the common signature.
        device: Where to compute; double precision everywhere.

    Returns:
        ``R@k`` in percent for each k.
    """
    ks = sorted({int(k) for k in ks})
    if not ks or ks[0] < 1:
        raise ValueError(f'ks must be positive integers, got {ks}')
    queries = unit_rows(query, device)
    gallery = torch.as_tensor(gallery)
    gallery_classes = torch.as_tensor(gallery_labels, device=device)
    query_classes = torch.as_tensor(query_labels, device=device)

    # A query is answered by its nearest gallery video of the right class. So it is enough to know
    # that similarity (searched class by class) and how many videos lie above it or level with it.
    best = torch.full((len(queries),), -np.inf, dtype=torch.float64, device=device)
    for label in np.unique(query_labels):
        mine = (query_classes == int(label)).nonzero()[:, 0]
        same = gallery[torch.as_tensor(np.flatnonzero(gallery_labels == label))]
        for rows, _, scores in cosine_chunks(queries[mine], same, chunk_size):
            best[mine[rows]] = torch.maximum(best[mine[rows]], scores.amax(dim=1))

    above, level, level_right = (torch.zeros(len(queries), dtype=torch.int64, device=device)
                                 for _ in range(3))
    for rows, columns, scores in cosine_chunks(queries, gallery, chunk_size):
        difference = scores - best[rows, None]
        tied = difference.abs() <= TIE
        above[rows] += (difference > TIE).sum(dim=1)
        level[rows] += tied.sum(dim=1)
        right = query_classes[rows, None] == gallery_classes[None, columns]
        level_right[rows] += (tied & right).sum(dim=1)

    above, level, level_right = (x.cpu().numpy() for x in (above, level, level_right))
    metrics = {f'R@{k}': 100 * float(_hit_share(k - above, level, level_right).mean()) for k in ks}
    return ProtocolOutput(metrics, retrieval_chance(gallery_labels, query_labels, ks))


def retrieval_chance(gallery_labels: np.ndarray, query_labels: np.ndarray, ks: Sequence[int]
                     ) -> dict[str, float]:
    """R@k of a random order of the gallery, in percent, as a dict ``{'R@k': …}``."""
    gallery_labels, query_labels = np.asarray(gallery_labels), np.asarray(query_labels)
    right = (query_labels[:, None] == np.unique(gallery_labels)[None]) @ np.unique(
        gallery_labels, return_counts=True)[1]
    total = np.full_like(right, len(gallery_labels))
    return {f'R@{k}': 100 * float(_hit_share(np.full_like(right, k), total, right).mean())
            for k in ks}


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
