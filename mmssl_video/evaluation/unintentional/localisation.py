"""Surprise: how far the predicted feature is from the true one, over the time of a video."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmssl_video.atomic_files import open_atomic

from .registry import ProtocolOutput
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


@dataclass
class SurpriseCurve:
    """Surprise and motion over the time of one video.

    Args:
        name: The video.
        times: Middles of the units, in seconds, ``[U]``.
        surprise, motion: Their values, ``[U]``; NaN where no window tells (at the beginning).
        duration: Of the video, in seconds.
        failure: Time of the failure in seconds; NaN where unknown.
    """

    name: str
    times: np.ndarray
    surprise: np.ndarray
    motion: np.ndarray
    duration: float
    failure: float = float('nan')

    @property
    def peak(self) -> float:
        """Time of the greatest surprise, in seconds."""
        return float(self.times[np.nanargmax(self.surprise)])


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


def save_curves(path: str | Path, curves: Sequence[SurpriseCurve], info: dict) -> None:
    """Write curves to an ``.npz`` without pickled objects.

    ``names``, ``counts`` (units of each video), ``failure``, ``duration`` ``[V]``; ``times``,
    ``surprise``, ``motion`` of all videos one after another; ``info`` as JSON.
    """
    arrays = {
        key: np.concatenate([getattr(curve, key) for curve in curves])
        for key in ('times', 'surprise', 'motion')
    }
    arrays.update(
        {
            key: np.array([getattr(curve, key) for curve in curves])
            for key in ('failure', 'duration')
        }
    )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open_atomic(path) as file:
        np.savez_compressed(
            file,
            names=np.array([curve.name for curve in curves], dtype=np.str_),
            counts=np.array([len(curve.times) for curve in curves]),
            info=json.dumps(info),
            **arrays,
        )


def draw_curves(path: str | Path, curves: Sequence[SurpriseCurve]) -> None:
    """Draw surprise (and motion, scaled to it) over time, one panel per video, as a PNG."""
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(5 * columns, 2.6 * rows), layout='constrained')
    FigureCanvasAgg(figure)
    for axis, curve in zip(figure.subplots(rows, columns, squeeze=False).flat, curves):
        low, high = np.nanmin(curve.motion), np.nanmax(curve.motion)
        least, most = np.nanmin(curve.surprise), np.nanmax(curve.surprise)
        scaled = least + (curve.motion - low) / max(high - low, 1e-9) * (most - least)
        axis.plot(curve.times, scaled, ':', color='C7', label='motion (scaled)')
        axis.plot(curve.times, curve.surprise, '.-', label='surprise: 1 - cos')
        axis.plot(curve.peak, most, 'v', color='C3', label='peak')
        if not np.isnan(curve.failure):
            axis.axvline(curve.failure, ls='--', color='C2', label='failure')
        axis.set(xlabel='seconds', xlim=(0, curve.duration))
        axis.set_title(Path(curve.name).name, fontsize='small')
        axis.grid(alpha=0.3)
    for axis in figure.axes[len(curves) :]:
        axis.set_axis_off()
    figure.axes[0].legend(fontsize='x-small')
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
