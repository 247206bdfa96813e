"""Comparison of many records: only figures of the same data and views stand in one table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from .records import read_results
from .run_figure import draw_bars
from .table import columns_of, rows_of

#: Options of a record that tell what was judged, or where it came from, and not how.
_OF_THE_SUBJECT = (
    'pretrained',
    'pretrained_hash',
    'epoch',
    'weights',
    'files',
    'subjects',
    'streams',
)
NEEDED = ('protocol', 'version', 'subject', 'dataset', 'split', 'views', 'metrics')
CSV_COLUMNS = (
    'protocol',
    'version',
    'metric',
    'value',
    'low',
    'high',
    'std',
    'unit',
    'chance',
    'num_queries',
    'dataset',
    'split_gallery',
    'split_query',
    'views',
    'subject',
    'kind',
    'checkpoint',
    'checkpoint_hash',
    'pretrained_hash',
    'seed',
    'bn_batches',
    'feature',
    'num_gallery',
    'num_classes',
    'splits',
    'options',
    'time',
)


@dataclass
class Table:
    """Figures that may be compared.

    Args:
        title: Data set, split, views and unit.
        records: One for each row and protocol. ``subject`` and ``protocol`` are the labels of
            row and column; a metric ``dict(value, low, high)`` has ``std`` and ``count`` (of
            ``what``) where it is a mean.
        notes: Sentences that a reader must know.
    """

    title: str
    records: list[dict]
    notes: list[str] = field(default_factory=list)


def choose(
    records: Sequence[dict],
    protocols: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
) -> list[dict]:
    """Records of some protocols with some of their metrics; ``*`` in a name stands for anything.

    Raises:
        ValueError: There are none; the sentence names those that there are.
    """

    def asked(name, names):
        return not names or any(fnmatch(name, each) for each in names)

    chosen = [
        dict(
            record,
            metrics={
                name: metric for name, metric in record['metrics'].items() if asked(name, metrics)
            },
        )
        for record in records
        if asked(record['protocol'], protocols)
    ]
    chosen = [record for record in chosen if record['metrics']]
    if not chosen:
        there = list(
            dict.fromkeys(f'{protocol} ({metric})' for protocol, metric in columns_of(records))
        )
        raise ValueError(
            'nothing matches the protocols and metrics asked for; the files have '
            + ', '.join(there)
        )
    return chosen


def make_tables(records: Sequence[dict], over_checkpoints: bool = False) -> list[Table]:
    """One table for each data set, split, views and unit, in order of appearance.

    A row is a subject with its checkpoint (and how BatchNorm was calibrated), a column a protocol
    with its settings, and a metric. A cell that was measured with several seeds has their mean, its
    sample standard deviation and their number; of two measurements with one seed the later counts,
    and a note says so.

    Args:
        records: See :func:`mmssl_video.results.records.make_record`.
        over_checkpoints: Checkpoints of one name are one row: networks trained with several seeds.
    """
    groups: dict[tuple, list[dict]] = {}
    for record in records:
        split = {role: record['split'].get(role) for role in ('gallery', 'query')}
        key = (
            record['dataset'],
            split['query'],
            split['gallery'],
            record['views'],
            record.get('unit', 'percent'),
        )
        groups.setdefault(key, []).append(record)
    tables = []
    for (dataset, query, gallery, views, unit), group in groups.items():
        title = (
            f'{dataset}: {query}'
            + (f', gallery {gallery}' if gallery else '')
            + f'; {views}; in {"%" if unit == "percent" else "shares from 0 to 1"}'
            * (unit in ('percent', 'fraction'))
        )
        tables.append(_table(title, group, over_checkpoints))
    return tables


def _settings(record):
    return {
        key: value
        for key, value in (record.get('options') or {}).items()
        if key not in _OF_THE_SUBJECT
    }


def _start(record, over_checkpoints):
    """What makes a row one, beside its name."""
    return (None if over_checkpoints else record.get('checkpoint_hash'), record.get('bn_batches'))


def _labels(records, over_checkpoints):
    """Row and column of each record, with what tells them from others of their name."""
    starts: dict[str, dict] = {}
    kinds: dict[str, dict] = {}
    for record in records:
        starts.setdefault(record['subject'], {})[_start(record, over_checkpoints)] = record
        kinds.setdefault(record['protocol'], {})[_kind(record)] = record
    labels = []
    for record in records:
        row, column = record['subject'], record['protocol']
        others = starts[row]
        if len({hash_ for hash_, _ in others}) > 1:
            row += f' [{str(record.get("checkpoint_hash"))[:8]}]'
        if len({batches for _, batches in others}) > 1 and record.get('bn_batches'):
            row += f', BN of {record["bn_batches"]} batches'
        same = list(kinds[column].values())
        parts = []
        for name, get in (('v', lambda r: r['version']), ('feature=', lambda r: r.get('feature'))):
            if len({str(get(r)) for r in same}) > 1:
                parts.append(f'{name}{get(record)}')
        own_settings = _settings(record)
        for key in dict.fromkeys(key for r in same for key in _settings(r)):
            if len({json.dumps(_settings(r).get(key), default=str) for r in same}) > 1:
                parts.append(f'{key}={own_settings.get(key)}')
        labels.append((row, column + (f' ({", ".join(parts)})' if parts else '')))
    return labels


def _kind(record):
    return json.dumps(
        [record['version'], record.get('feature'), _settings(record)], sort_keys=True, default=str
    )


def _table(title, records, over_checkpoints):
    cells: dict[tuple[str, str], dict] = {}
    again: dict[str, bool] = {}
    for record, key in zip(records, _labels(records, over_checkpoints)):
        runs = cells.setdefault(key, {})
        run = (record.get('seed'), record.get('checkpoint_hash'))
        if run in runs and runs.pop(run)['metrics'] != record['metrics']:
            again[f'{key[0]} ({key[1]}, seed {run[0]})'] = True
        runs[run] = record
    made = [_mean(list(runs.values()), *key) for key, runs in cells.items()]
    notes = []
    if again:
        notes.append(
            'measured more than once with the same seed, the latest counts: ' + ', '.join(again)
        )
    counts = sorted({str(record.get('num_queries')) for record in records}, key=len)
    notes.insert(
        0,
        f'{", ".join(counts)} queries'
        + (' (they differ: compare with care)' if len(counts) > 1 else '')
        + '; ± is the wider half of the 95% interval over queries, or, where it says so, '
        'the standard deviation over seeds or splits',
    )
    chances: dict[tuple[str, str], set[float]] = {}
    for record in made:
        for name, value in record['chance'].items():
            chances.setdefault((record['protocol'], name), set()).add(round(value, 6))
    if any(len(values) > 1 for values in chances.values()):
        notes.append('chance differs between rows; the last one stands')
    shared: dict[str, dict] = {}
    for record in records:
        if record.get('checkpoint'):
            shared.setdefault(record['subject'], {})[record['checkpoint_hash']] = record[
                'checkpoint'
            ]
    for name, files in shared.items():
        if len(files) > 1:
            notes.append(
                f'{name} is {len(files)} checkpoints: '
                + ', '.join(f'[{str(hash_)[:8]}] {path}' for hash_, path in files.items())
            )
    notes += dict.fromkeys(f'warning: {text}' for r in records for text in r.get('warnings') or ())
    return Table(title, made, notes)


def _mean(runs, row, column):
    """One record of runs that differ in their seed alone."""
    metrics = {}
    for name in dict.fromkeys(name for run in runs for name in run['metrics']):
        metrics_of_runs = [run['metrics'][name] for run in runs if name in run['metrics']]
        metrics[name] = dict(metrics_of_runs[-1])
        if len(metrics_of_runs) > 1:
            values = [metric['value'] for metric in metrics_of_runs]
            mean, std = float(np.mean(values)), float(np.std(values, ddof=1))
            seeds = {run.get('seed') for run in runs}
            metrics[name] = dict(
                value=mean,
                std=std,
                count=len(metrics_of_runs),
                low=mean - std,
                high=mean + std,
                what='seeds' if len(seeds) == len(runs) else 'checkpoints',
            )
        elif 'std' in metrics[name]:
            metrics[name].update(count=len(runs[-1].get('splits') or ()), what='splits')
    return dict(
        runs[-1],
        subject=row,
        protocol=column,
        metrics=metrics,
        chance={
            name: value
            for run in runs
            for name, value in (run.get('chance') or {}).items()
            if name in metrics
        },
    )


def format_tables(tables: Sequence[Table], kind: str = 'markdown') -> str:
    """Tables as ``'markdown'`` or aligned ``'text'``, each with its title and notes."""
    return '\n\n'.join(_format(table, kind) for table in tables)


def _format(table, kind):
    columns, rows = columns_of(table.records), rows_of(table.records)
    digits = 1 if table.records[0].get('unit', 'percent') == 'percent' else 4
    lines = [['', *(f'{protocol} {name}' for protocol, name in columns)]]
    lines += [
        [subject, *(_cell(row.get(column), digits) for column in columns)]
        for subject, row in rows.items()
        if row
    ]
    if kind == 'markdown':
        text = [
            '| ' + ' | '.join(cell.replace('|', r'\|') for cell in line) + ' |' for line in lines
        ]
        text.insert(1, '|---|' + '---:|' * len(columns))
        return '\n'.join(
            [f'### {table.title}', '', *text, ''] + [f'- {note}' for note in table.notes]
        )
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = [
        '  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines
    ]
    return '\n'.join([table.title, '', *text, ''] + table.notes)


def _cell(metric, digits):
    if metric is None:
        return '-'
    value = f'{metric["value"]:.{digits}f}'
    if 'std' in metric:
        return f'{value} ±{metric["std"]:.{digits}f} ({metric["count"]} {metric["what"]})'
    if 'low' not in metric:
        return value
    half = max(metric['high'] - metric['value'], metric['value'] - metric['low'])
    return f'{value} ±{half:.{digits}f}'


def format_csv(records: Sequence[dict]) -> str:
    """Every figure as it was measured, a row each (:data:`CSV_COLUMNS`), nothing averaged."""
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_COLUMNS, extrasaction='ignore', lineterminator='\n')
    writer.writeheader()
    for record in records:
        own = (record.get('details') or {}).get('queries') or {}
        options = record.get('options') or {}
        for name, metric in record['metrics'].items():
            writer.writerow(
                dict(
                    record,
                    metric=name,
                    **{key: metric.get(key) for key in ('value', 'low', 'high', 'std')},
                    unit=record.get('unit', 'percent'),
                    chance=(record.get('chance') or {}).get(name),
                    num_queries=own.get(name, record.get('num_queries')),
                    split_gallery=record['split'].get('gallery'),
                    split_query=record['split'].get('query'),
                    pretrained_hash=options.get('pretrained_hash'),
                    splits=' '.join(map(str, record.get('splits') or ())),
                    options=json.dumps(options, ensure_ascii=False, default=str),
                )
            )
    return file.getvalue()


def read_files(files: Sequence[str | Path]) -> list[dict]:
    """Records of results files, each once, in order of their making within a file.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: A file holds no results, or records that lack what a table needs.
    """
    records = []
    for path in dict.fromkeys(Path(file) for file in files):
        if not path.exists():
            raise FileNotFoundError(
                f'there is no results file {path}: the tools print where they write theirs'
            )
        records_of_file = read_results(path)
        if not records_of_file:
            raise ValueError(f'{path} holds no results')
        for number, record in enumerate(records_of_file, 1):
            missing = [key for key in NEEDED if key not in record]
            if missing:
                raise ValueError(
                    f'record {number} of {path} lacks {", ".join(missing)}: it was '
                    'not made by a tool of ours, or by an old one'
                )
            if record not in records:  # files may be copies, or parts, of each other
                records.append(record)
    return records


@dataclass
class Summary:
    """What :func:`summarize` found.

    Args:
        text: The tables.
        num_records: Records in them.
        not_drawn: Titles of tables that the figure leaves out: their figures are no percentages.
    """

    text: str
    num_records: int
    not_drawn: list[str]


def summarize(
    files: Sequence[str | Path],
    *,
    form: str = 'markdown',
    protocols: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    over_checkpoints: bool = False,
    figure: str | Path | None = None,
) -> Summary:
    """Compare checkpoints: tables of the records in results files.

    Args:
        files: Results files of ours.
        form: ``'markdown'``, ``'text'``, or ``'csv'`` with every single figure in a row.
        protocols: These only; ``retrieval/*`` stands for all that begin so.
        metrics: These only, such as ``top1``.
        over_checkpoints: Average checkpoints of one name: networks trained with several seeds.
        figure: PNG to draw the bars of every table in.

    Returns:
        The tables, one for each data set, split and views.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: A file holds no results, or nothing is of these protocols and metrics.
    """
    records = choose(read_files(files), protocols, metrics)
    tables = make_tables(records, over_checkpoints)
    if figure is not None:
        draw_bars(figure, {table.title: table.records for table in tables})
    return Summary(
        format_csv(records) if form == 'csv' else format_tables(tables, form) + '\n',
        len(records),
        [t.title for t in tables if t.records[0].get('unit', 'percent') != 'percent'],
    )
