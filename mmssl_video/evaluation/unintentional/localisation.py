"""Surprise: how far the predicted feature is from the true one, over the time of a video."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from ...results.protocol_output import ProtocolOutput
from ...results.surprise_curves import SurpriseCurve
from .timeline import THRESHOLDS, localisation_name, peak_hit, random_hit

PROTOCOL, VERSION = 'surprise/peak', 1


def discrepancy(true: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
    """``1 - cos(z_hat, z)`` of features ``[..., D, h, w]``, averaged over places: ``[...]``.

    MemDPC section 4 calls the discrepancy of predicted and true future "a measurement of future
    predictability, or surprise level" and leaves the measure to a trained classifier; the cosine
    needs no training and no labels.
    """
    return (1 - F.cosine_similarity(true.float(), predicted.float(), dim=-3)).mean((-2, -1))


def block_motion(windows: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbouring frames, of every block but the first.

    Args:
        windows: Raw frames ``[W, N, C, T, H, W]``, 0 to 255.

    Returns:
        ``[W, N - 1]`` in grey levels; the first frame of a block is compared with the last of the
        block before.
    """
    frames = windows.transpose(2, 3).flatten(1, 2).float()
    motion = (frames[:, 1:] - frames[:, :-1]).abs().mean((2, 3, 4))
    length = windows.shape[3]
    return motion[:, length - 1 :].unflatten(1, (-1, length)).mean(2)


def localisation(curves: Sequence[SurpriseCurve]) -> dict[str, ProtocolOutput]:
    """How often the peak of surprise finds the failure, and how often simple answers do.

    Args:
        curves: Of videos whose failure is known, at least one.

    Returns:
        ``{subject: figures}`` for ``middle of the video``, ``motion peak`` and, last, ``surprise``:
        ``within_1s`` and ``within_0.25s`` in percent of videos. The chance of each is that of a
        random moment of each video.
    """

    def figures(hit):
        return {
            localisation_name(within): 100
            * float(np.mean([hit(curve, within) for curve in curves]))
            for within in THRESHOLDS
        }

    chance = figures(lambda c, within: random_hit(c.duration, c.failure, within))
    return {
        subject: ProtocolOutput(figures(hit), chance)
        for subject, hit in {
            'middle of the video': lambda c, within: float(
                abs(c.duration / 2 - c.failure) <= within
            ),
            'motion peak': lambda c, within: peak_hit(c.times, c.motion, c.failure, within),
            'surprise': lambda c, within: peak_hit(c.times, c.surprise, c.failure, within),
        }.items()
    }
