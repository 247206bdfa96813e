"""Results as named records: table for the eye, JSON for the next program."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from ..atomic_files import write_atomic
from ..version import __version__
from .confidence import wilson_interval
from .protocol_output import ProtocolOutput
from .run_lock import alone

#: What every record says of a figure, beside the figures. ``bn_batches``: batches of clips that
#: BatchNorm was calibrated on, 0 for none. ``unreadable``: videos left out, with their reasons.
FIELDS = (
    'protocol',
    'version',
    'options',
    'dataset',
    'split',
    'views',
    'subject',
    'kind',
    'checkpoint',
    'checkpoint_hash',
    'seed',
    'bn_batches',
    'num_gallery',
    'num_queries',
    'num_classes',
    'unreadable',
)


def make_record(
    output: ProtocolOutput,
    *,
    feature: str | None = None,
    warnings: Sequence[str] = (),
    **fields: Any,
) -> dict:
    """Turn what a protocol found into a record that can stand alone.

    Args:
        output: Figures, chance and details of one protocol.
        feature: The feature level it ran on, where there is one.
        warnings: Sentences that a reader of the figure must know, such as those of
            :func:`closeness_warnings`.
        **fields: Exactly :data:`FIELDS`.

    Returns:
        JSON-serialisable. ``metrics[name]`` is ``dict(value, low, high)`` in percent, as ``unit``
        says, with the bounds of the 95% Wilson interval over queries: ``num_queries``, or fewer
        where ``output.details['queries']`` gives a number for the name.

    Raises:
        TypeError: When a field is missing or unknown: no figure goes without its name.
        ValueError: A figure is NaN or infinite.
    """
    if set(fields) != set(FIELDS):
        raise TypeError(
            f'a record needs exactly the fields {", ".join(FIELDS)}; these differ: '
            f'{", ".join(sorted(set(fields) ^ set(FIELDS)))}'
        )
    metrics, counts = {}, output.details.get('queries', {})
    for name, value in output.metrics.items():
        if not math.isfinite(value):
            raise ValueError(
                f'{name} of {fields["subject"]} by {fields["protocol"]} is {value}: its '
                'features or scores are no numbers, so there is nothing to report'
            )
        value = min(max(value, 0.0), 100.0)  # sums of fractional hits end in rounding errors
        low, high = wilson_interval(value / 100, counts.get(name, fields['num_queries']))
        metrics[name] = dict(value=value, low=100 * low, high=100 * high)
    return dict(
        **fields,
        metrics=metrics,
        chance=dict(output.chance),
        unit='percent',
        details=dict(output.details),
        feature=feature,
        warnings=list(warnings),
        time=datetime.datetime.now().astimezone().isoformat(timespec='seconds'),
        software=dict(mmssl_video=__version__, torch=torch.__version__),
    )


def closeness_warnings(records: Sequence[dict]) -> dict[str, list[str]]:
    """Where baselines come near the encoders that one protocol judged.

    *Near* means: the baseline's headline figure (the first of its metrics) is at least the lower
    bound of the encoder's 95% interval, so that these queries do not show the encoder to be better.

    Args:
        records: One protocol's records on one data set; ``kind`` tells encoders from baselines.

    Returns:
        Sentences by the encoders' ``subject``.
    """
    sentences_of = {}
    for record in records:
        name, metric = next(iter(record['metrics'].items()))
        if record['kind'] != 'encoder':
            continue
        others = [
            r
            for r in records
            if r['kind'] == 'baseline'
            and name in r['metrics']
            and r['metrics'][name]['value'] >= metric['low']
        ]
        sentences = []
        for untrained, meaning in (
            (False, 'the set may have a shortcut, a leak, or too few queries to tell'),
            (True, 'pre-training shows no gain here'),
        ):
            near = [
                f'{r["subject"]} ({r["metrics"][name]["value"]:.1f})'
                for r in others
                if r['subject'].startswith('random') == untrained
            ]
            if near:
                sentences.append(
                    f'{record["protocol"]} {name} of {record["subject"]} is {metric["value"]:.1f} '
                    f'(95% interval from {metric["low"]:.1f}); {", ".join(near)} '
                    f'{"comes" if len(near) == 1 else "come"} near it: {meaning}'
                )
        sentences_of[record['subject']] = sentences
    return sentences_of


def read_results(path: str | Path) -> list[dict]:
    """Records of a results file; an absent file has none.

    Raises:
        ValueError: When the file is something else than a list of records.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(
            f'the results file {path} is a directory: name a file, such as {path / "results.json"}'
        )
    if not path.exists():
        return []
    try:
        records = json.loads(path.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        why = 'it is nested too deeply' if isinstance(error, RecursionError) else error
        raise ValueError(
            f'{path} is not a JSON results file ({why}): move it away or name another file'
        ) from None
    if not isinstance(records, list) or not all(
        isinstance(r, dict) and 'protocol' in r for r in records
    ):
        raise ValueError(
            f'{path} is JSON but no list of results: move it away or name another file'
        )
    return records


def to_json(value: Any) -> str:
    """JSON that every program reads: NaN and infinity, which JSON lacks, are null."""
    return json.dumps(_defined(value), indent=1, ensure_ascii=False, allow_nan=False)


def _defined(value):
    if isinstance(value, dict):
        return {key: _defined(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_defined(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def append_results(path: str | Path, records: Iterable[dict]) -> None:
    """Append records to a JSON results file, whole or not at all; folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path.parent):  # or of two runs that end at once, one would lose its records
        text = to_json(read_results(path) + list(records))
        write_atomic((text + '\n').encode(errors='backslashreplace'), path)  # an escape of JSON
