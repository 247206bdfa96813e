"""What a protocol found, before it has a name and a place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class ProtocolOutput:
    """What a protocol found.

    Args:
        metrics: Figures in percent, by name (``top1``, ``R@5``, …); the first is the headline.
        chance: What guessing gets on the same labels, in percent, for the same names.
        details: Settings that were chosen or clipped on the way; goes to the JSON record.
        probabilities: Of classifiers: ``[Q, K]`` float32, column = label; for result files.
    """

    metrics: dict[str, float]
    chance: dict[str, float]
    details: dict[str, Any] = field(default_factory=dict)
    probabilities: np.ndarray | None = field(default=None, compare=False, repr=False)
