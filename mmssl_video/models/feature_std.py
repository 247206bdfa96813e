"""The sign of collapse that every method watches."""

from __future__ import annotations

import torch
import torch.nn.functional as F


@torch.no_grad()
def feature_std(features: torch.Tensor) -> torch.Tensor:
    """Mean standard deviation of L2-normalised features ``[..., D]``, times sqrt(D).

    About 1 for features that spread over the sphere, 0 when they have collapsed to a point.
    """
    vectors = F.normalize(features.float().flatten(0, -2), dim=1)
    return vectors.std(0).mean() * vectors.shape[1] ** 0.5
