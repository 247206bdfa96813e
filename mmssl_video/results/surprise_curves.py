"""Surprise over the time of videos: the curve, its file and its figure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..atomic_files import open_atomic
from .figures import save_figure


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


def save_curves(path: str | Path, curves: Sequence[SurpriseCurve], info: dict) -> None:
    """Write curves to an ``.npz`` without pickled objects.

    ``names``, ``counts`` (units of each video), ``failure``, ``duration`` ``[V]``; ``times``,
    ``surprise``, ``motion`` of all videos one after another; ``info`` as JSON.
    """

    def joined(key: str) -> np.ndarray:
        return np.concatenate([getattr(curve, key) for curve in curves])

    def of_videos(key: str) -> np.ndarray:
        return np.array([getattr(curve, key) for curve in curves])

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open_atomic(path) as file:
        np.savez_compressed(
            file,
            names=np.array([curve.name for curve in curves], dtype=np.str_),
            counts=np.array([len(curve.times) for curve in curves]),
            info=json.dumps(info),
            times=joined('times'),
            surprise=joined('surprise'),
            motion=joined('motion'),
            failure=of_videos('failure'),
            duration=of_videos('duration'),
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
    save_figure(figure, path, dpi=110)
