"""The pictures of a memory on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .figures import save_figure


def embed(probabilities: np.ndarray, seed: int = 0) -> np.ndarray:
    """t-SNE of rows ``[N, S]`` in two dimensions (scikit-learn's).

    Raises:
        ValueError: scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise ValueError('t-SNE needs scikit-learn: pip install scikit-learn') from None
    perplexity = min(30.0, max(1.0, (len(probabilities) - 1) / 3))
    return TSNE(perplexity=perplexity, random_state=seed, init='pca').fit_transform(probabilities)


def draw_memory(
    out: str | Path,
    figures: dict[str, Any],
    strips: tuple,
    names: Sequence[str],
    classes: Sequence[int],
    labels: np.ndarray,
    most_slots: int = 50,
) -> Path:
    """Draw what is known of a memory.

    Args:
        out: PNG to write.
        figures: ``slots``: P(action | slot) ``[classes, S]``; ``usage``: mean probability of each
            slot ``[S]``; perhaps ``similarity``: cosines of two encoders' features; perhaps
            ``tsne``: ``[(checkpoint, [N, 2])]``.
        strips: Frames of the top clips of each unit, the units' numbers, and what a unit is called.
        names: Names of the classes of ``figures['slots']``.
        classes: Their labels.
        labels: Labels of the rows of ``tsne``.
        most_slots: Columns of the first panel at most: the slots that are used most, 50 in
            FGKVMemPred Figure 4.

    Returns:
        ``out``.
    """
    frames, units, kind = strips
    above = ['slots', *(name for name in ('similarity', 'tsne') if name in figures)]
    width = max(5 + 4 * len(above), 1.3 * max(map(len, frames)) + 1)
    figure = Figure(figsize=(width, 4 + 1.25 * len(frames)), layout='constrained')
    FigureCanvasAgg(figure)
    upper, lower = figure.subfigures(
        2, 1, squeeze=False, height_ratios=(3.6, max(1.25 * len(frames), 1))
    )[:, 0]
    panels = 1 + ('similarity' in figures) + len(figures.get('tsne', ()))
    axes = upper.subplots(1, panels, squeeze=False, width_ratios=[2] + [1] * (panels - 1))[0]
    _slots(axes[0], upper, figures['slots'], figures['usage'], names, most_slots)
    if 'similarity' in figures:
        axes[1].hist(figures['similarity'], bins=40, range=(-1, 1), color='C0')
        axes[1].set(
            xlabel='cosine of online and target features',
            ylabel='pairs of clips',
            title='online and target encoder',
        )
    for axis, (title, points) in zip(
        axes[panels - len(figures.get('tsne', ())) :], figures.get('tsne', ())
    ):
        for number, (name, label) in enumerate(zip(names, classes)):
            chosen = points[labels == label]
            axis.scatter(chosen[:, 0], chosen[:, 1], s=6, color=f'C{number % 10}', label=name)
        axis.set(title=f't-SNE of p, {title}', xticks=[], yticks=[])
        axis.legend(fontsize='x-small', markerscale=2)
    grid = lower.subplots(len(frames), max(map(len, frames)), squeeze=False)
    for axis in grid.ravel():
        axis.axis('off')
    for line, unit, row in zip(frames, units, grid):
        for place, image in enumerate(line):
            row[place].imshow(image)
        row[0].set_title(f'{kind} {unit}', fontsize='small', loc='left')
    lower.suptitle(f'clips that the most active {kind}s answer to', fontsize='medium')
    save_figure(figure, out, dpi=100)
    return Path(out)


def _slots(axis, figure, table, usage, names, most):
    """Heat map of P(action | slot): columns ordered by the class that owns them."""
    owner, share = table.argmax(0), table.max(0)
    kept = np.sort(np.argsort(-usage, kind='stable')[:most])  # of unused slots P is but noise
    order = kept[np.lexsort((-share[kept], owner[kept]))]
    image = axis.imshow(
        table[:, order], aspect='auto', vmin=0, cmap='viridis', interpolation='nearest'
    )
    axis.set_yticks(range(len(names)), names, fontsize='small')
    axis.set(
        xlabel=f'the {len(order)} most used of {table.shape[1]} slots',
        title='P(action | memory slot)',
    )
    figure.colorbar(image, ax=axis)
