"""Exact cosine similarities in pieces, so that memory never grows with queries times gallery."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from numpy.typing import ArrayLike
from torch import Tensor

#: Two cosines closer than this count as equal. Double precision leaves errors of about 1e-15, so
#: that duplicates tie whatever the order in which the matrix product adds them up.
TIE = 1e-12


def unit_rows(features: ArrayLike | Tensor, device: str | torch.device = 'cpu') -> Tensor:
    """L2-normalise ``features`` ``[V, D]`` in float64; all-zero rows stay zero (cosine 0)."""
    rows = torch.as_tensor(features).to(device=device, dtype=torch.float64)
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)


def cosine_chunks(query: Tensor, gallery: ArrayLike | Tensor, chunk_size: int = 4096
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
    for first in range(0, len(gallery), chunk_size):
        columns = slice(first, min(first + chunk_size, len(gallery)))
        block = unit_rows(gallery[columns], query.device)
        for top in range(0, len(query), chunk_size):
            rows = slice(top, min(top + chunk_size, len(query)))
            yield rows, columns, query[rows] @ block.T
