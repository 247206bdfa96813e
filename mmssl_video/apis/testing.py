"""Testing from a config: ``python tools/test.py CONFIG CHECKPOINT``.

A config with an ``evaluation`` part runs its probe protocols, one with a ``surprise`` part looks
for failures by surprise (:mod:`.surprise`); any other runs mmengine's test loop
(a classifier trained online: accuracies with baselines beside them), or its validation loop where
the config has no ``test_dataloader`` (a pre-training config: the self-supervised loss and
accuracies on held-out videos).
"""

from __future__ import annotations

import argparse
import copy
import datetime
import math
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from .. import __version__, compat
from ..checkpoints import (
    checkpoint_hash,
    config_from_checkpoint,
    load_checkpoint_file,
    load_full,
)
from ..engine.hooks.sample_seed import video_list_datasets
from ..evaluation.report import append_results, format_table, read_results
from ..models.recognizers.self_supervised import SelfSupervisedRecognizer, method_of
from . import cli
from .classification import (
    check_test_labels,
    class_scores,
    classification_records,
    set_num_blocks,
    set_num_classes,
)
from .encoder import quiet
from .probe import run_evaluation
from .surprise import surprise_of_config
from .train import check_blocks, check_work_dir, load_config
from .unintentional import unintentional_records
from .views import dataset_of, describe_views

# Settings of a model that say how it is tested, not what was trained.
_OF_THE_TEST = ('max_views', 'data_preprocessor.normalize_test')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of ``tools/test.py``."""
    parser = argparse.ArgumentParser(
        prog='test.py',
        description='Evaluate a checkpoint as a config says.',
        epilog=f'{cli.DEBUG}=1 in the environment shows the traceback of every error.',
    )
    parser.add_argument('config', help='path of a config, or the name of a shipped one')
    parser.add_argument(
        'checkpoint', help='checkpoint file, or the word random for the untrained model'
    )
    parser.add_argument(
        '--encoder-config',
        metavar='CONFIG',
        help='config with the model to probe; needed for random, otherwise that '
        'inside the checkpoint is used',
    )
    parser.add_argument(
        '--calibrate-bn',
        type=cli.whole(0),
        default=0,
        metavar='BATCHES',
        help='set the BatchNorm statistics of the encoder on so many batches of '
        'gallery clips first',
    )
    cli.add_data(parser)
    parser.add_argument(
        '--work-dir', help='where logs and results go (default: work_dirs/<name of the config>)'
    )
    parser.add_argument(
        '--out',
        help='JSON file the results are appended to (default: results.json in the work dir)',
    )
    parser.add_argument(
        '--seed',
        type=cli.seed,
        default=0,
        help='of random weights and of the splits of the training set (default: 0)',
    )
    parser.add_argument(
        '--device',
        help='where to probe, such as cpu or cuda:1 (default: the GPU where there is one)',
    )
    parser.add_argument(
        '--dump',
        metavar='FILE.npz',
        help='write class probabilities, or features '
        'of a retrieval, to this file (for tools/fuse.py)',
    )
    parser.add_argument(
        '--no-baselines', action='store_true', help='leave out chance-level and trivial features'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=cli.ConfigOptions,
        metavar='KEY=VALUE',
        help='change settings of the config, as in evaluation.dataset=mine',
    )
    return cli.parse_launched(parser, argv)


def main(argv: list[str] | None = None) -> None:
    """Test as the command line says: prints the results, appends them to a JSON file."""
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options, args.data, args.flow)
    cfg.work_dir = args.work_dir or cfg.work_dir
    check_work_dir(cfg.work_dir)
    out = args.out or str(Path(cfg.work_dir) / 'results.json')
    read_results(out)  # an unusable results file must not cost a whole run
    check_work_dir(Path(out).parent, 'the folder', '--out')
    if args.dump:
        check_work_dir(Path(args.dump).parent, 'the folder', '--dump')
    # mmengine's Runner starts its processes itself
    runs_loop = cfg.get('surprise') is None and cfg.get('evaluation') is None
    with compat.process_group('none' if runs_loop else args.launcher):
        if cfg.get('surprise') is not None:
            unused = [
                name
                for name, value in (
                    ('--dump', args.dump),
                    ('--calibrate-bn', args.calibrate_bn),
                    ('--no-baselines', args.no_baselines),
                )
                if value
            ]
            if unused:
                raise ValueError(f'{", ".join(unused)} is not for surprise: leave it out')
            records = surprise_of_config(
                cfg,
                args.checkpoint,
                cfg.work_dir,
                results=out,
                seed=args.seed,
                encoder_config=args.encoder_config,
                device=args.device,
            )
            text = format_table(records)
        elif cfg.get('evaluation') is not None:
            records = run_evaluation(
                cfg,
                args.checkpoint,
                encoder_config=args.encoder_config,
                seed=args.seed,
                device=args.device,
                calibrate_bn=args.calibrate_bn,
                out=out,
                dump=args.dump,
                baselines=False if args.no_baselines else None,
            )
            text = format_table(records)
        else:
            unused = [
                name
                for name, value in (
                    ('--encoder-config', args.encoder_config),
                    ('--device', args.device),
                    ('--calibrate-bn', args.calibrate_bn),
                )
                if value
            ]
            if unused:
                raise ValueError(
                    f'{", ".join(unused)} is for configs with an evaluation part, '
                    f'which {args.config} does not have'
                )
            records = run_loop(
                cfg,
                args.checkpoint,
                args.seed,
                args.launcher,
                args.cfg_options,
                dump=args.dump,
                baselines=not args.no_baselines,
            )
            if is_main_process():
                append_results(out, records)
            text = (
                format_table(records)
                if records[0]['unit'] == 'percent'
                else _format_fractions(records[0])
            )
        if is_main_process():
            print(f'\n{text}\n\nresults are in {out}')


def run_loop(
    cfg: Config,
    checkpoint: str | Path,
    seed: int = 0,
    launcher: str = 'none',
    options: dict | None = None,
    *,
    dump: str | Path | None = None,
    baselines: bool = True,
) -> list[dict]:
    """Run mmengine's test loop, or the validation loop of a config without one.

    Args:
        cfg: Config with a model, ``work_dir`` and a test or validation loader; changed.
        checkpoint: File with all weights of the model, or ``random``.
        seed: Seed of random weights.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        options: Settings, by dotted name, that the user changed: those of the model also count
            where the model is rebuilt from the checkpoint, which is done when its config has a
            model of the same type. Where a curriculum trained it (:class:`PredictionStepsHook`),
            it predicts as many blocks as in the checkpoint's epoch.
        dump: File for the class probabilities of a classifier.
        baselines: Put trivial answers beside a classifier, unless its config says otherwise.

    Returns:
        Of a config with a ``classification`` or ``unintentional`` part the records of
        :func:`mmssl_video.apis.classification.classification_records` or
        :func:`mmssl_video.apis.unintentional.unintentional_records`. Of any other, one record
        with ``metrics[name] = dict(value)``, as the loop's metrics name them, and in ``chance`` the
        levels of the method's ``reference_levels``; its ``unit`` is ``'fraction'``:
        accuracies and chance are shares from 0 to 1.

    Raises:
        ValueError: The config has no loop to run, or the checkpoint is of another model.
        FileNotFoundError: No such checkpoint.
    """
    kind = next((kind for kind in ('test', 'val') if cfg.get(f'{kind}_dataloader')), None)
    if kind is None or cfg.get('model') is None:
        raise ValueError(
            f'the config {cfg.filename or ""} has neither an evaluation part nor a '
            'model with a test_dataloader or val_dataloader: there is nothing to test'
        )
    classifies = 'classification' in cfg
    judged = classifies or 'unintentional' in cfg
    if dump and not judged:
        raise ValueError(
            f'--dump is for class scores and retrieval features, and a test with '
            f'{cfg.filename or "this config"} has neither'
        )
    contents = None if checkpoint == 'random' else load_checkpoint_file(checkpoint)
    trained, meta = None, (contents or {}).get('meta') or {}
    if meta.get('cfg'):
        trained = config_from_checkpoint(contents, str(checkpoint))
        held = (trained.get('model') or {}).get('type')
        if held == cfg.model.type:
            _use_trained_model(cfg, trained, meta, checkpoint, options or {})
        elif judged:
            raise ValueError(
                f'{checkpoint} holds a {held}, not the trained {cfg.model.type} that this config '
                'tests: test it with the config that trained it, or train with tools/train.py '
                f'{Path(cfg.filename or "CONFIG").name} --pretrained {checkpoint}'
            )
    if classifies:
        if 'num_blocks' in (trained or {}) and 'num_blocks' not in (options or {}):
            cfg.num_blocks = trained.num_blocks
        set_num_blocks(cfg)
        if cfg.model.cls_head.get('num_classes') is None:
            set_num_classes(cfg)
        check_test_labels(cfg)
    baselines = baselines and (cfg.get('classification') or {}).get('baselines', True)
    whole = copy.deepcopy(cfg)
    _only_test(cfg, kind)
    check_blocks(cfg)
    cfg.setdefault('randomness', ConfigDict()).seed = seed
    cfg.load_from, cfg.resume = None, False
    if launcher != 'none':
        compat.init_cpu_process_group(launcher)
        compat.set_cpu_model_wrapper(cfg)
    cfg.launcher = launcher
    runner = Runner.from_cfg(cfg)
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if contents is None:
        torch.manual_seed(seed)
        with quiet():
            model.init_weights()
    else:
        load_full(model, contents, str(checkpoint))
    metrics = runner.test()
    loader, dataset = runner.test_dataloader, dataset_of(cfg.test_dataloader)
    subject = dict(
        subject='random' if contents is None else Path(checkpoint).name,
        checkpoint=None if contents is None else str(checkpoint),
        seed=seed,
    )
    if judged:
        [metric] = [each for each in runner.test_loop.evaluator.metrics if hasattr(each, 'output')]
        told = dict(trained=trained, meta=meta, unreadable=_unreadable(loader.dataset), **subject)
        make = classification_records if classifies else unintentional_records
        records = make(whole, metric, baselines=baselines, **told)
        if dump and is_main_process():
            class_scores(metric, records[-1]).save(dump)
        return records
    levels = {}
    if isinstance(model, SelfSupervisedRecognizer):
        levels = model.reference_levels(
            loader.dataset[0]['inputs'],
            min(
                cfg.test_dataloader.get('batch_size', 1),
                math.ceil(len(loader.dataset) / get_world_size()),
            ),
        )
    return [
        dict(
            protocol=f'loop/{kind}',
            version=1,
            options={},
            dataset=str(dataset.get('ann_file', '')),
            split=dict(query=Path(dataset.get('ann_file', '')).name),
            views=describe_views(dataset.get('pipeline', [])),
            kind='model',
            **subject,
            checkpoint_hash=None if contents is None else checkpoint_hash(checkpoint),
            bn_batches=0,
            num_queries=len(loader.dataset),
            metrics={name: dict(value=float(value)) for name, value in metrics.items()},
            chance=levels,
            unit='fraction',
            time=datetime.datetime.now().astimezone().isoformat(timespec='seconds'),
            software=dict(mmssl_video=__version__, torch=torch.__version__),
        )
    ]


def _format_fractions(record):
    """Text of a record whose figures the loop's own metrics made."""
    lines = [
        f'{record["protocol"]} of {record["subject"]} on {record["num_queries"]} videos '
        f'({record["split"]["query"]})'
    ]
    lines += [f'  {name:<32}{metric["value"]:.4f}' for name, metric in record['metrics'].items()]
    return '\n'.join(
        lines + [f'  {name:<32}{level:.4f}' for name, level in record['chance'].items()]
    )


def _use_trained_model(cfg, trained, meta, checkpoint, options):
    """Rebuild the model that was trained; how it is tested is said by the config at hand."""
    model, tested = trained.model, cfg.model
    for key in _OF_THE_TEST:
        place, asked = model, tested
        *parents, name = key.split('.')
        for parent in parents:
            place, asked = place.get(parent) or {}, asked.get(parent) or {}
        if name in asked:
            place[name] = asked[name]
    cfg.model = model
    if 'model.pred_steps' not in options:
        _set_stage(cfg.model, trained, meta, checkpoint)
    cfg.merge_from_dict({key: value for key, value in options.items() if key.startswith('model.')})


def _unreadable(dataset):
    """Test videos left out in any process, ``(name, reason)`` each once."""
    own = [
        (video.path, video.reason)
        for part in video_list_datasets(dataset)
        for video in part.bad_videos()
    ]
    return sorted({video for part in all_gather_object(own) for video in part})


def _set_stage(model, trained, meta, checkpoint):
    """Let a model predict as in the last finished epoch of the curriculum that trained it."""
    epoch, method = meta.get('epoch'), method_of(model)
    if method is None or not isinstance(epoch, int):
        return
    for name, value in method.settings_at(trained, max(epoch - 1, 0)).items():
        if model.get(name) != value:
            model[name] = value
            print_log(
                f'{checkpoint} is of epoch {epoch} of a curriculum: the model predicts {value} '
                f'blocks, as it did then (change it by --cfg-options model.{name}=N).'
            )


def _only_test(cfg, kind):
    """Leave a Runner nothing but a test loop, with the data of ``kind`` (``'test'`` or ``'val'``).

    A validation loop proper would let the hooks of training act on it: save the best checkpoint,
    lower the learning rate.
    """
    if not cfg.get(f'{kind}_evaluator'):
        raise ValueError(
            f'the config {cfg.filename or ""} has a {kind}_dataloader and no '
            f'{kind}_evaluator: there is nothing to measure'
        )
    cfg.test_dataloader, cfg.test_evaluator = cfg[f'{kind}_dataloader'], cfg[f'{kind}_evaluator']
    cfg.test_cfg = cfg.get('test_cfg') or dict(type='TestLoop')
    for name in (
        'train_dataloader',
        'train_cfg',
        'optim_wrapper',
        'param_scheduler',
        'val_dataloader',
        'val_cfg',
        'val_evaluator',
        'auto_scale_lr',
    ):
        cfg.pop(name, None)
    cfg.setdefault('default_hooks', ConfigDict()).checkpoint = None
    cfg.visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
