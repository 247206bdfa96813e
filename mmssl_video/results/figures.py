"""Writing a figure, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from ..atomic_files import open_atomic


def save_figure(figure: Figure, path: str | Path, dpi: int) -> None:
    """Write a figure in the format of its suffix (PNG without one); folders are made.

    Args:
        figure: To be drawn.
        path: The file.
        dpi: Pixels an inch.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_atomic(path) as file:
        figure.savefig(file, dpi=dpi, format=path.suffix[1:].lower() or 'png')
