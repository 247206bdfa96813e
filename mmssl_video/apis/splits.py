"""Averages over splits: ``python tools/test_splits.py CONFIG CHECKPOINT``.

The digit after ``split`` or ``fold`` in the list files of a config is replaced in turn. A config
with an ``evaluation`` part reads every video once for all splits; any other is trained on each
(``--train``) and tested by commands of their own.
"""

from __future__ import annotations

import argparse
import copy
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process

from .. import compat
from ..evaluation import wilson_interval
from ..evaluation.report import (
    append_results,
    closeness_warnings,
    format_table,
    read_results,
)
from . import cli
from .probe import Evaluation
from .train import check_work_dir, last_checkpoint, load_config

_DIGIT = re.compile(r'(split|fold)(\d+)')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of ``tools/test_splits.py``."""
    parser = argparse.ArgumentParser(
        prog='test_splits.py',
        description='Evaluate on several splits and average the figures.',
        epilog=f'{cli.DEBUG}=1 in the environment shows the traceback of every error.',
    )
    parser.add_argument(
        'config', help='config whose lists have split1, fold0 or such in their names'
    )
    parser.add_argument(
        'checkpoint',
        help='encoder to evaluate; with --train, to begin with; the '
        'word random for an untrained one, scratch (with --train) for none',
    )
    cli.add_data(parser)
    parser.add_argument(
        '--splits',
        nargs='+',
        type=cli.whole(0),
        default=[1, 2, 3],
        help='digits to put in turn after split or fold (default: 1 2 3)',
    )
    parser.add_argument(
        '--train',
        action='store_true',
        help='train on each split first, for configs of tools/train.py',
    )
    parser.add_argument('--encoder-config', metavar='CONFIG', help='as in tools/test.py')
    parser.add_argument(
        '--calibrate-bn',
        type=cli.whole(0),
        default=0,
        metavar='BATCHES',
        help='as in tools/test.py',
    )
    parser.add_argument('--no-baselines', action='store_true', help='as in tools/test.py')
    parser.add_argument(
        '--work-dir',
        help='where results go, and the runs of --train (default: work_dirs/<name of the config>)',
    )
    parser.add_argument(
        '--out',
        help='JSON file the results are appended to (default: results.json in the work dir)',
    )
    parser.add_argument(
        '--seed',
        type=cli.seed,
        default=0,
        help='of random weights, of the splits of the training set, and of training (default: 0)',
    )
    parser.add_argument('--device', help='as in tools/test.py')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=cli.ConfigOptions,
        metavar='KEY=VALUE',
        help='change settings of the config',
    )
    return cli.parse_launched(parser, argv)


def main(argv: list[str] | None = None) -> None:
    """Evaluate as the command line says: prints the figures, appends them to a JSON file."""
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options, args.data, args.flow)
    cfg.work_dir = args.work_dir or cfg.work_dir
    cfgs = {split: with_split(cfg, split) for split in dict.fromkeys(args.splits)}
    check_work_dir(cfg.work_dir)
    out = args.out or str(Path(cfg.work_dir) / 'results.json')
    read_results(out)
    check_work_dir(Path(out).parent, 'the folder', '--out')
    if args.train:
        unused = [
            name
            for name, value in (
                ('--encoder-config', args.encoder_config),
                ('--device', args.device),
                ('--calibrate-bn', args.calibrate_bn),
                ('--launcher', args.launcher != 'none'),
            )
            if value
        ]
        if unused or cfg.get('evaluation') is not None:
            raise ValueError(
                f'{", ".join(unused)} cannot be used with --train'
                if unused
                else f'{args.config} trains nothing: leave --train out'
            )
        records = train_splits(
            cfgs, args.checkpoint, seed=args.seed, baselines=not args.no_baselines, out=out
        )
        print(f'\n{format_splits(records)}\n\nresults are in {out}')
        return
    with compat.process_group(args.launcher):
        records = evaluate_splits(
            cfgs,
            args.checkpoint,
            out=out,
            encoder_config=args.encoder_config,
            seed=args.seed,
            device=args.device,
            calibrate_bn=args.calibrate_bn,
            baselines=False if args.no_baselines else None,
        )
        if is_main_process():
            print(f'\n{format_splits(records)}\n\nresults are in {out}')


def with_split(cfg: Config, split: int) -> Config:
    """A copy of a config whose list files are those of another split or fold.

    Raises:
        ValueError: No list file has ``split<digit>`` or ``fold<digit>`` in its name.
        FileNotFoundError: A list of that split is not there.
    """
    cfg, found, lists = copy.deepcopy(cfg), [], []

    def change(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(value, (dict, list, tuple)):
                change(value)
            elif key == 'ann_file' and isinstance(value, str):
                lists.append(value)
                folder, slash, name = value.rpartition('/')
                if _DIGIT.search(name):
                    node[key] = (
                        folder + slash + _DIGIT.sub(lambda match: f'{match[1]}{split}', name)
                    )
                    found.append(node[key])

    for key in list(cfg):
        if isinstance(cfg[key], (dict, list)):
            change(cfg[key])
    if not found:
        raise ValueError(
            'no list of the config has split1, fold0 or such in its name, so there is '
            f'nothing to average over; its lists are {", ".join(sorted(set(lists)))}'
        )
    for path in found:
        if not Path(path).is_file():
            raise FileNotFoundError(
                f'there is no list {path} of split {split}: make it with '
                'tools/data/prepare.py, or name the splits with --splits'
            )
    return cfg


def evaluate_splits(
    cfgs: dict[int, Config], checkpoint: Any, *, out: str | Path | None = None, **options: Any
) -> list[dict]:
    """Evaluate on every split, reading each video once; then the averages.

    Args:
        cfgs: Config of each split (:func:`with_split`).
        checkpoint: See :func:`mmssl_video.apis.run_evaluation`.
        out: JSON file to append the records to.
        **options: Of :class:`mmssl_video.apis.probe.Evaluation`. BatchNorm is calibrated on the
            gallery of the first split, for all of them.

    Returns:
        Records of each split, then of the averages (:func:`average_records`); the same in every
        process of a distributed run.
    """
    evaluation = Evaluation(list(cfgs.values()), checkpoint, **options)
    sets = evaluation.extract()
    box = [None]
    if is_main_process():
        found = [evaluation.judge(i, each) for i, each in enumerate(sets)]
        queries = {
            (result.record['protocol'], result.record['subject']): set() for result in found[0]
        }
        for results in found:
            for result in results:
                pair = result.sets or results[-1].sets
                queries[result.record['protocol'], result.record['subject']].update(
                    pair['query'].names
                )
        records = [[result.record for result in results] for results in found]
        box[0] = sum(records, []) + average_records(
            dict(zip(cfgs, records)), {key: len(names) for key, names in queries.items()}
        )
        if out is not None:
            append_results(out, box[0])
    broadcast_object_list(box)
    return box[0]


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
                    role: _DIGIT.sub(lambda match: f'{match[1]}*', name) if name else name
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


def train_splits(
    cfgs: dict[int, Config],
    checkpoint: str,
    *,
    seed: int = 0,
    baselines: bool = True,
    out: str | Path | None = None,
) -> list[dict]:
    """Train and test on every split, each in processes of its own; then the averages.

    Args:
        cfgs: Config of each split, with one ``work_dir``; split 2 goes to ``split2`` in it, where
            an interrupted run is resumed.
        checkpoint: Weights to begin with, as ``tools/train.py --pretrained`` takes them; the word
            ``scratch`` for none.
        seed: Of the runs.
        baselines: Put baselines beside the figures.
        out: JSON file to append the records to.

    Returns:
        Records of each split, then of the averages.

    Raises:
        RuntimeError: A command failed.
    """
    records = {}
    for split, cfg in cfgs.items():
        folder = Path(cfg.work_dir) / f'split{split}'
        folder.mkdir(parents=True, exist_ok=True)
        config, results = folder / 'config.py', folder / 'split_results.json'
        cfg.work_dir = str(folder)
        cfg.dump(config)
        start = [] if checkpoint == 'scratch' else ['--pretrained', checkpoint]
        _run('train', config, *start, '--work-dir', folder, '--resume', '--seed', seed)
        results.unlink(missing_ok=True)
        _run(
            'testing',
            config,
            last_checkpoint(folder),
            '--work-dir',
            folder,
            '--out',
            results,
            '--seed',
            seed,
            *[] if baselines else ['--no-baselines'],
        )
        records[split] = read_results(results)
    found = sum(records.values(), []) + average_records(records)
    if out is not None:
        append_results(out, found)
    return found


def _run(module, *arguments):
    """A command line of ours in a process of its own, its output shown."""
    code = f'import mmssl_video; from mmssl_video.apis import cli, {module}; cli.run({module}.main)'
    command = [sys.executable, '-c', code, *map(str, arguments)]
    if subprocess.run(command, check=False).returncode:
        raise RuntimeError(
            f'{module}.py {" ".join(map(str, arguments))} failed; its own message is above'
        )
