"""SSTL's Figures 1 and 2: how alike clips look to encoders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .figures import save_figure


def draw_similarities(results: Mapping[str, Mapping], out: str | Path) -> Path:
    """Draw the three panels.

    Args:
        results: By encoder: ``strength`` (list of ``strength``, ``similarity``, ``interval``),
            ``distance`` (see :func:`against_distance`) and ``videos`` (see
            :func:`within_and_across`).
        out: PNG to write; folders are made.

    Returns:
        ``out``.
    """
    figure = Figure(figsize=(16, 4.4), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
    for color, (name, figures) in enumerate(results.items()):
        for axis, key, part in (
            (axes[0], 'strength', figures['strength']),
            (axes[1], 'distance', figures['distance']),
        ):
            x, y, width = (
                np.array([point[k] for point in part]) for k in (key, 'similarity', 'interval')
            )
            axis.plot(x, y, marker='o', ms=3, color=f'C{color}', label=name)
            axis.fill_between(x, y - width, y + width, color=f'C{color}', alpha=0.2, lw=0)
        bins = np.linspace(-1, 1, 81)
        for style, (kind, values) in zip(('-', ':'), figures['videos'].items()):
            axes[2].hist(
                values,
                bins,
                histtype='step',
                density=True,
                ls=style,
                color=f'C{color}',
                label=f'{name}: {kind}',
            )
    for axis, title, label in zip(
        axes,
        (
            'two augmented views of a clip',
            'two clips of a video',
            'clips of the same and of another video',
        ),
        ('strength: extra frames e', 'distance in time (share of the video)', 'cosine'),
    ):
        axis.set(title=title, xlabel=label)
        axis.legend(fontsize=7)
    for axis in axes[:2]:
        axis.set_ylabel('cosine (95% interval)')
    axes[2].set_ylabel('density')
    lowest = min(
        value
        for figures in results.values()
        for values in figures['videos'].values()
        for value in values
    )
    axes[2].set_xlim(max(-1, lowest - 0.1), 1.02)
    save_figure(figure, out, dpi=120)
    return Path(out)
