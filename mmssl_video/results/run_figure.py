"""One PNG that tells a run: loss and top-1 curves, and the bars of the probe table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .figures import save_figure
from .table import columns_of, rows_of


def read_scalars(path: str | Path) -> dict[str, dict[str, tuple[list, list]]]:
    """Curves of mmengine's ``vis_data/scalars.json`` (one JSON object per line).

    Args:
        path: The file, or a work dir: its runs are joined in the order they were begun, a
            resumed run replacing what lies beyond its beginning.

    Returns:
        ``{'train': {name: (steps, values)}, 'val': {name: (steps, values)}}``. Steps are
        iterations; a validation, which mmengine files under its epoch, stands where the
        training lines before it end.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the file holds no training line.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.glob('*/vis_data/scalars.json'))
    if not files:
        raise FileNotFoundError(
            f'there is no training log {path} nor {path}/*/vis_data/'
            'scalars.json: was a model trained there?'
        )
    lines: list[tuple[int, str, dict]] = []
    for file in files:
        run, last = [], 0
        for text in file.read_text(encoding='utf-8').splitlines():
            entry = json.loads(text)
            # Only training lines know their iteration; of a validation, step is the epoch.
            kind = 'train' if 'iter' in entry else 'val'
            last = entry.get('iter', last)
            run.append((last, kind, entry))
        begin = next((step for step, kind, _ in run if kind == 'train'), None)
        if begin is not None:  # a test writes no curve
            lines = [line for line in lines if line[0] < begin] + run
    if not lines:
        raise ValueError(f'{path} holds no line of training')
    curves: dict[str, dict[str, tuple[list[int], list[float]]]] = dict(train={}, val={})
    for step, kind, entry in lines:
        for name, value in entry.items():
            if isinstance(value, (int, float)):
                steps, values = curves[kind].setdefault(name, ([], []))
                steps.append(step)
                values.append(value)
    return curves


def draw_figure(
    out: str | Path,
    scalars: str | Path | None = None,
    records: Sequence[dict] | None = None,
    levels: dict[str, float] | None = None,
    title: str | None = None,
    percent: float = 100,
) -> Path:
    """Draw the curves of a pre-training run beside the bars of its probe table.

    Args:
        out: PNG to write; folders are made.
        scalars: Work dir or ``scalars.json`` of the run, see :func:`read_scalars`.
        records: Results, as made by :func:`make_record`.
        levels: Horizontal lines of the top-1 panel, ``{label: percent}``:
            chance and the shortcuts a run must pass.
        title: Line above the figure.
        percent: What turns the logged top-1 into percent (1 if it is logged so).

    Returns:
        ``out``.

    Raises:
        ValueError: When there is nothing to draw.
    """
    if not scalars and not records:
        raise ValueError('a figure needs a training log or results')
    panels = 2 * bool(scalars) + bool(records)
    figure = Figure(figsize=(5.2 * panels + 2.5 * bool(records), 4.2), layout='constrained')
    FigureCanvasAgg(figure)
    ratios = [1] * (2 * bool(scalars)) + [1.5] * bool(records)
    axes = list(figure.subplots(1, panels, squeeze=False, width_ratios=ratios)[0])
    if scalars:
        curves = read_scalars(scalars)
        _curves(axes[0], curves, 'loss', 1, 'self-supervised loss')
        _curves(axes[1], curves, 'top1', percent, 'self-supervised top-1 (%)')
        for number, (label, level) in enumerate((levels or {}).items()):
            axes[1].axhline(level, ls=':', color=f'C{number + 2}', label=f'{label}: {level:.1f}%')
        for axis in axes[:2]:
            axis.legend(fontsize='small')
    if records:
        _bars(axes[-1], records)
    if title:
        figure.suptitle(title)
    save_figure(figure, out, dpi=120)
    return Path(out)


def draw_bars(out: str | Path, tables: dict[str, Sequence[dict]]) -> Path:
    """Draw the bars of several tables below one another; figures that are no percent are left out.

    Args:
        out: PNG to write; folders are made.
        tables: Records of each, by title.

    Returns:
        ``out``.

    Raises:
        ValueError: No table is in percent.
    """
    tables = {
        title: records
        for title, records in tables.items()
        if records[0].get('unit', 'percent') == 'percent'
    }
    if not tables:
        raise ValueError('none of the figures is in percent, so there are no bars to draw')
    widest = max(
        len(columns_of(records)) * (1 + 0.25 * len(rows_of(records))) for records in tables.values()
    )
    figure = Figure(figsize=(min(max(7, widest), 40), 4.6 * len(tables)), layout='constrained')
    FigureCanvasAgg(figure)
    for axis, (title, records) in zip(
        figure.subplots(len(tables), squeeze=False)[:, 0], tables.items()
    ):
        _bars(axis, records, whole_names=True)
        axis.set_xlabel(title, fontsize='small', wrap=True)
    save_figure(figure, out, dpi=120)
    return Path(out)


def _curves(axis, curves, name, scale, label):
    for kind, title, style in (('train', 'training', '.-'), ('val', 'held-out videos', 'o-')):
        logged = next((key for key in (name, f'ssl/{name}') if key in curves[kind]), None)
        if logged:
            steps, values = curves[kind][logged]
            axis.plot(steps, [scale * v for v in values], style, ms=4, label=title)
    axis.set(xlabel='iterations', ylabel=label)
    axis.grid(alpha=0.3)


def _bars(axis, records, whole_names=False):
    columns, rows = columns_of(records), rows_of(records)
    width = 0.85 / len(rows)
    colours = colormaps['tab10' if len(rows) <= 10 else 'tab20']
    for number, (subject, row) in enumerate(rows.items()):
        places = [
            i + (number - (len(rows) - 1) / 2) * width for i, c in enumerate(columns) if c in row
        ]
        cells = [row[c] for c in columns if c in row]
        errors = [
            [cell['value'] - cell.get('low', cell['value']) for cell in cells],
            [cell.get('high', cell['value']) - cell['value'] for cell in cells],
        ]
        axis.bar(
            places,
            [cell['value'] for cell in cells],
            width,
            yerr=errors,
            label=subject,
            color=colours(number),
            error_kw=dict(lw=0.8, alpha=0.6),
        )
    names = [
        p.replace('/', '/\n').replace(' (', '\n(') if whole_names else p.split('/')[0]
        for p, _ in columns
    ]
    axis.set_xticks(
        range(len(columns)), [f'{p}\n{m}' for p, (_, m) in zip(names, columns)], fontsize='small'
    )
    axis.set(ylabel='%', ylim=(0, 105))
    axis.legend(fontsize='small', ncols=4, loc='lower center', bbox_to_anchor=(0.5, 1))
    axis.grid(axis='y', alpha=0.3)
