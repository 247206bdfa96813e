"""Averages over splits: the same figures on every split of a data set, and their mean.

The digit after ``split`` or ``fold`` in the list files of a config is replaced in turn. A config
with an ``evaluation`` part reads every video once for all splits; any other is trained on each and
tested by commands of their own.
"""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process

from ..results.averages import SPLIT_DIGIT, average_records
from ..results.records import append_results, read_results
from ..settings.start import last_checkpoint
from .evaluation import evaluate


def with_split(cfg: Config, split: int) -> Config:
    """A copy of a config whose list files are those of another split or fold.

    Raises:
        ValueError: No list file has ``split<digit>`` or ``fold<digit>`` in its name.
        FileNotFoundError: A list of that split is not there.
    """
    cfg, changed, lists = copy.deepcopy(cfg), [], []

    def change(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(value, (dict, list, tuple)):
                change(value)
            elif key == 'ann_file' and isinstance(value, str):
                lists.append(value)
                folder, slash, name = value.rpartition('/')
                if SPLIT_DIGIT.search(name):
                    node[key] = (
                        folder + slash + SPLIT_DIGIT.sub(lambda match: f'{match[1]}{split}', name)
                    )
                    changed.append(node[key])

    for key in list(cfg):
        if isinstance(cfg[key], (dict, list)):
            change(cfg[key])
    if not changed:
        raise ValueError(
            'no list of the config has split1, fold0 or such in its name, so there is '
            f'nothing to average over; its lists are {", ".join(sorted(set(lists)))}'
        )
    for path in changed:
        if not Path(path).is_file():
            raise FileNotFoundError(
                f'there is no list {path} of split {split}: make it with '
                'mmssl prepare, or name the splits with --splits'
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
        **options: Of :func:`mmssl_video.apis.evaluation.evaluate`. BatchNorm is calibrated on the
            gallery of the first split, for all of them.

    Returns:
        Records of each split, then of the averages (:func:`average_records`); the same in every
        process of a distributed run.
    """
    splits = evaluate(list(cfgs.values()), checkpoint, **options)
    box: list[list[dict]] = [[]]
    if is_main_process():
        queries: dict[tuple[str, str], set] = {}
        for results in splits:
            pairs = [result.sets for result in results if result.sets is not None]
            for result in results:
                pair = result.sets or pairs[-1]
                key = result.record['protocol'], result.record['subject']
                queries.setdefault(key, set()).update(pair['query'].names)
        records = [[result.record for result in results] for results in splits]
        box[0] = sum(records, []) + average_records(
            dict(zip(cfgs, records)), {key: len(names) for key, names in queries.items()}
        )
        if out is not None:
            append_results(out, box[0])
    broadcast_object_list(box)
    return box[0]


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
        checkpoint: Weights to begin with, as ``mmssl train --pretrained`` takes them; the word
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
            'test',
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
    averaged = sum(records.values(), []) + average_records(records)
    if out is not None:
        append_results(out, averaged)
    return averaged


def _run(command, *arguments):
    """A command of ours in a process of its own, its output shown."""
    words = [command, *map(str, arguments)]
    if subprocess.run([sys.executable, '-m', 'mmssl_video', *words], check=False).returncode:
        raise RuntimeError(f'mmssl {" ".join(words)} failed; its own message is above')
