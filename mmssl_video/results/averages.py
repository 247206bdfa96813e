"""Means over splits of records that differ in their split alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .confidence import wilson_interval
from .records import closeness_warnings
from .table import format_table

#: Which split of a data set a list file is of, by its name.
SPLIT_DIGIT = re.compile(r'(split|fold)(\d+)')


def average_records(records: dict[int, list[dict]], num_queries: dict | None = None) -> list[dict]:
    """Mean over splits of the records that differ in their split alone.

    Args:
        records: Records of each split, the same protocols and subjects in each.
        num_queries: Different query videos of all splits, by (protocol, subject); by default the
            queries of the smallest split, which makes intervals rather too wide than too narrow.
            So do, always, figures with a number of their own (``details['queries']``).

    Returns:
        Records with ``metrics[name] = dict(value, std, low, high)``: mean over splits, its sample
        standard deviation, and the bounds of the 95% Wilson interval of the mean over
        ``num_queries`` different queries. ``splits`` names the splits and ``details['values']`` has
        their figures. Warnings of closeness are those of the averages.

    Raises:
        ValueError: The splits have different protocols or subjects.
    """
    tables = [{(r['protocol'], r['subject']): r for r in each} for each in records.values()]
    if any(set(table) != set(tables[0]) for table in tables):
        raise ValueError(
            'the splits have results of different protocols or subjects, so they cannot be averaged'
        )
    averages = []
    for key, first in tables[0].items():
        each = [table[key] for table in tables]
        queries = (num_queries or {}).get(key) or min(r['num_queries'] for r in each)
        scale = 100 if first['unit'] == 'percent' else 1
        metrics, values, counts = {}, {}, {}
        for name in first['metrics']:
            values[name] = [r['metrics'][name]['value'] for r in each]
            mean = float(np.mean(values[name]))
            metrics[name] = dict(
                value=mean, std=float(np.std(values[name], ddof=1)) if len(each) > 1 else 0.0
            )
            if 'low' in first['metrics'][name]:
                own = [r.get('details', {}).get('queries', {}).get(name) for r in each]
                if None not in own:
                    counts[name] = min(own)
                low, high = wilson_interval(min(max(mean / scale, 0), 1), counts.get(name, queries))
                metrics[name].update(low=scale * low, high=scale * high)
        averages.append(
            dict(
                first,
                metrics=metrics,
                num_queries=queries,
                splits=list(records),
                chance={
                    name: float(np.mean([r['chance'][name] for r in each]))
                    for name in first['chance']
                },
                split={
                    role: SPLIT_DIGIT.sub(lambda match: f'{match[1]}*', name) if name else name
                    for role, name in first['split'].items()
                },
                details=dict(values=values, **(dict(queries=counts) if counts else {})),
                warnings=list(
                    dict.fromkeys(w for table in tables for w in _other_warnings(table, key))
                ),
            )
        )
    for average in averages:
        average['warnings'] += closeness_warnings(
            [r for r in averages if r['protocol'] == average['protocol']]
        ).get(average['subject'], [])
    return averages


def _other_warnings(table, key):
    """Warnings of a record that do not speak of the figures of its split."""
    near = closeness_warnings([r for (protocol, _), r in table.items() if protocol == key[0]])
    return [w for w in table[key].get('warnings', ()) if w not in near.get(key[1], ())]


def format_splits(records: Sequence[dict]) -> str:
    """The averages of ``records`` as a table, ``±`` the deviation over splits, and each split."""
    means = [record for record in records if 'splits' in record]
    width = max(len(record['subject']) for record in means)
    lines = []
    for record in means:
        for name, metric in record['metrics'].items():
            each = '  '.join(f'{value:5.1f}' for value in record['details']['values'][name])
            lines.append(
                f'{record["protocol"]} {name:<6}  {record["subject"]:<{width}}  '
                f'{metric["value"]:5.1f} ±{metric["std"]:4.1f}   ({each})'
            )
    shown = [
        dict(
            record,
            warnings=[],
            metrics={
                name: dict(
                    value=metric['value'],
                    low=metric['value'] - metric['std'],
                    high=metric['value'] + metric['std'],
                )
                for name, metric in record['metrics'].items()
            },
        )
        for record in means
    ]
    table = format_table(shown).replace(
        '± 95% interval',
        '± standard deviation over splits ' + ', '.join(map(str, means[0]['splits'])),
    )
    warnings = dict.fromkeys(w for record in means for w in record['warnings'])
    return '\n'.join(
        [table, '', 'each split:', *lines]
        + [''] * bool(warnings)
        + [f'warning: {text}' for text in warnings]
    )
