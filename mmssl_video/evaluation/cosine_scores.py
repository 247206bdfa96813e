"""Exact cosine similarities in pieces, so that memory never grows with queries times gallery."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

#: Two cosines closer than this count as equal. Double precision leaves errors of about 1e-15, so
#: that duplicates tie whatever the order in which the matrix product adds them up.
TIE = 1e-12
#: Rows and columns of a block: 2048 x 2048 doubles are 34 MB.
CHUNK = 2048


def unit_rows(
    features: ArrayLike | Tensor, device: str | torch.device = 'cpu', mean: Tensor | None = None
) -> Tensor:
    """L2-normalise ``features`` ``[V, D]`` in float64, ``mean`` ``[D]`` taken off first.

    All-zero rows stay zero (cosine 0).
    """
    rows = torch.as_tensor(features).to(device=device, dtype=torch.float64)
    if mean is not None:
        rows = rows - mean
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)


def cosine_chunks(
    query: Tensor, gallery: np.ndarray | Tensor, chunk_size: int = CHUNK
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Walk over all cosine similarities in blocks of ``chunk_size`` x ``chunk_size`` at most.

    Args:
        query: Unit rows, ``[Q, D]`` float64.
        gallery: Features as extracted, ``[G, D]``; normalised block by block, so
            that no second copy of a large gallery is made.
        chunk_size: Rows per block.

    Yields:
        ``(rows, columns, scores)``: two slices and the float64 block they select.
    """
    for columns in chunks(len(gallery), chunk_size):
        block = unit_rows(gallery[columns], query.device)
        for rows in chunks(len(query), chunk_size):
            yield rows, columns, query[rows] @ block.T


def chunks(count: int, size: int = CHUNK) -> list[slice]:
    """Cut ``range(count)`` into slices of ``size``."""
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


class CosineScores:
    """Cosine of chosen queries and gallery rows, computed when asked for.

    Args:
        query: ``[Q, D]``.
        gallery: ``[G, D]``.
        centred: Take the gallery's mean off both sides first.
        device: Where to compute.
    """

    def __init__(
        self,
        query: ArrayLike,
        gallery: ArrayLike,
        centred: bool = False,
        device: str | torch.device = 'cpu',
    ) -> None:
        self.query, self.gallery = (torch.as_tensor(np.asarray(x)) for x in (query, gallery))
        self.device = device
        # NumPy adds up in double precision without a double copy of the gallery.
        self.mean = (
            torch.as_tensor(np.mean(np.asarray(gallery), axis=0, dtype=np.float64), device=device)
            if centred
            else None
        )

    def __call__(self, rows: slice | Tensor, columns: slice | Tensor) -> Tensor:
        """Scores ``[rows, columns]``, float64; both select rows of the arrays."""
        return (
            unit_rows(self.query[rows], self.device, self.mean)
            @ unit_rows(self.gallery[columns], self.device, self.mean).T
        )
