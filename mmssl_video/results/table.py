"""Records as one table of text."""

from __future__ import annotations

from collections.abc import Sequence


def columns_of(records: Sequence[dict]) -> list[tuple[str, str]]:
    """Columns of the table of ``records``: ``[(protocol, metric), …]`` in order of appearance."""
    return list(dict.fromkeys((r['protocol'], name) for r in records for name in r['metrics']))


def rows_of(records: Sequence[dict]) -> dict[str, dict]:
    """Rows of the table: ``{subject: {(protocol, metric): dict(value, low, high)}}``, chance first.

    Subjects keep their order of appearance. ``chance`` has no interval: it is computed, not
    measured.
    """
    rows: dict[str, dict] = {'chance': {}}
    for record in records:
        row = rows.setdefault(record['subject'], {})
        for name, metric in record['metrics'].items():
            row[record['protocol'], name] = metric
            if name in record['chance']:
                rows['chance'][record['protocol'], name] = dict(value=record['chance'][name])
    return rows


def format_table(records: Sequence[dict]) -> str:
    """One table of records of the same data: a row per subject, a column per figure, in percent.

    ``±`` is the wider half of the 95% interval over queries.
    """
    if not records:
        raise ValueError('there are no results to print')
    columns, rows = columns_of(records), rows_of(records)
    heads = [(protocol, name) for protocol, name in columns]
    cells = [[_cell(row.get(column)) for column in columns] for row in rows.values()]
    widths = [
        max(len(name), *(len(line[i]) for line in cells)) for i, (_, name) in enumerate(heads)
    ]
    first = max(map(len, rows))
    groups, position = [], 0
    while position < len(heads):  # one heading over all columns of a protocol
        protocol = heads[position][0]
        end = position
        while end < len(heads) and heads[end][0] == protocol:
            end += 1
        span = sum(widths[position:end]) + 2 * (end - position - 1)
        widths[end - 1] += max(0, len(protocol) - span)
        groups.append(protocol.ljust(max(span, len(protocol))))
        position = end
    lines = [
        ' ' * first + '  ' + '  '.join(groups),
        ' ' * first
        + '  '
        + '  '.join(name.ljust(width) for (_, name), width in zip(heads, widths)),
    ]
    lines += [
        subject.ljust(first)
        + '  '
        + '  '.join(cell.ljust(width) for cell, width in zip(line, widths))
        for subject, line in zip(rows, cells)
    ]
    warnings = dict.fromkeys(w for record in records for w in record.get('warnings', ()))
    return '\n'.join(
        [_caption(records), '']
        + [line.rstrip() for line in lines]
        + [''] * bool(warnings)
        + [f'warning: {text}' for text in warnings]
    )


def _cell(metric):
    if metric is None:
        return '-'
    if 'low' not in metric:
        return f'{metric["value"]:.1f}'
    half = max(metric['high'] - metric['value'], metric['value'] - metric['low'])
    return f'{metric["value"]:.1f} ±{half:.1f}'


def _caption(records):
    record = records[0]
    lines = [
        f'{record["dataset"]}: {record["num_queries"]} queries ({record["split"]["query"]}), '
        + (
            f'{record["num_gallery"]} gallery videos ({record["split"]["gallery"]}), '
            if record['num_gallery']
            else ''
        )
        + (f'{record["num_classes"]} classes; ' if record['num_classes'] else '')
        + f'{record["views"]}; in %, ± 95% interval'
    ]
    unreadable = record['unreadable']
    for role in ('gallery', 'query'):
        if unreadable[role]:
            names = ', '.join(f'{name} ({why})' for name, why in unreadable[role][:3])
            more = len(unreadable[role]) - 3
            lines.append(
                f'not counted: {len(unreadable[role])} unreadable {role} videos: {names}'
                + (f' and {more} more' if more > 0 else '')
            )
    return '\n'.join(lines)


def format_records(records: Sequence[dict]) -> str:
    """Records of one test as text: a table, or the figures that a loop's metrics made."""
    if records[0]['unit'] == 'percent':
        return format_table(records)
    record = records[0]
    lines = [
        f'{record["protocol"]} of {record["subject"]} on {record["num_queries"]} videos '
        f'({record["split"]["query"]})'
    ]
    lines += [f'  {name:<32}{metric["value"]:.4f}' for name, metric in record['metrics'].items()]
    return '\n'.join(
        lines + [f'  {name:<32}{level:.4f}' for name, level in record['chance'].items()]
    )
