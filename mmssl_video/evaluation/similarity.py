"""Exact cosine similarities in pieces, so that memory never grows with queries times gallery."""

from __future__ import annotations

import torch

#: Two cosines closer than this count as equal. Double precision leaves errors of about 1e-15, so
#: that duplicates tie whatever the order in which the matrix product adds them up.
TIE = 1e-12


def unit_rows(features, device='cpu'):
    """L2-normalise ``features`` ``[V, D]`` in float64; all-zero rows stay zero (cosine 0)."""
    rows = torch.as_tensor(features).to(device=device, dtype=torch.float64)
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)


def cosine_chunks(query, gallery, chunk_size=4096):
    """Walk over all cosine similarities in blocks of ``chunk_size`` x ``chunk_size`` at most.

    Args:
        query (Tensor): Unit rows, ``[Q, D]`` float64.
        gallery (array or Tensor): Features as extracted, ``[G, D]``; normalised block by block, so
            that no second copy of a large gallery is made.
        chunk_size (int): Rows per block.

    Yields:
        tuple: ``(rows, columns, scores)``: two slices and the float64 block they select.
    """
    for first in range(0, len(gallery), chunk_size):
        columns = slice(first, min(first + chunk_size, len(gallery)))
        block = unit_rows(gallery[columns], query.device)
        for top in range(0, len(query), chunk_size):
            rows = slice(top, min(top + chunk_size, len(query)))
            yield rows, columns, query[rows] @ block.T
