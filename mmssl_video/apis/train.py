"""Training from a config: ``python tools/train.py CONFIG``, or ``train(cfg)`` from Python."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from mmaction.registry import OPTIMIZERS
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from .. import compat
from ..checkpoints import (
    CheckpointError,
    config_from_checkpoint,
    load_checkpoint_file,
    load_from_http,
    load_full,
    match_weights,
    state_dict_of,
)
from ..config_files import find_config
from ..engine.hooks import EncoderWeightsHook
from ..engine.hooks.encoder_weights import loaded_parts
from ..models.recognizers.self_supervised import method_of
from ..settings.data import settle_data
from . import cli
from .classification import (
    check_pretrained,
    set_num_blocks,
    set_num_classes,
    use_checkpoint_encoder,
)
from .views import dataset_of, num_views_of, pipeline_of

# Names in the base configs only: the data loader that holds a copy.
_COPIED = dict(
    train_pipeline='train_dataloader',
    val_pipeline='val_dataloader',
    test_pipeline='test_dataloader',
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Arguments of ``tools/train.py``."""
    parser = argparse.ArgumentParser(
        prog='train.py',
        description='Train a model from a config.',
        epilog=f'{cli.DEBUG}=1 in the environment shows the traceback of every error.',
    )
    parser.add_argument('config', help='path of a config, or the name of a shipped one')
    cli.add_data(parser)
    parser.add_argument(
        '--work-dir', help='where logs and checkpoints go (default: work_dirs/<name of the config>)'
    )
    parser.add_argument(
        '--pretrained',
        metavar='CKPT',
        help='begin with the encoder of this '
        "checkpoint (the config's load_from); the word random for an encoder as "
        'initialised',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='auto|PATH',
        help='go on from a checkpoint; auto (also without a value): from the last '
        'one in the work dir, or from the start if there is none',
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on the CPU'
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate to the batch size (config's auto_scale_lr)",
    )
    parser.add_argument('--seed', type=cli.seed, help='random seed (default: that of the config)')
    parser.add_argument(
        '--deterministic', action='store_true', help='use deterministic algorithms, slower'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=cli.ConfigOptions,
        metavar='KEY=VALUE',
        help='change settings of the config, as in model.pred_steps=4',
    )
    return cli.parse_launched(parser, argv)


def main(argv: list[str] | None = None) -> None:
    """Train as the command line says."""
    args = parse_args(argv)
    cfg = load_config(args.config, args.cfg_options, args.data, args.flow)
    if args.work_dir:
        cfg.work_dir = args.work_dir
    if args.pretrained:
        cfg.load_from = args.pretrained
    if args.seed is not None:
        cfg.setdefault('randomness', ConfigDict()).seed = args.seed
    if args.deterministic:
        cfg.setdefault('randomness', ConfigDict()).deterministic = True
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')  # else cuBLAS refuses
    if args.amp:
        use_amp(cfg)
    if args.auto_scale_lr:
        use_auto_scale_lr(cfg)
    train(cfg, resume=args.resume, launcher=args.launcher, options=args.cfg_options)


def load_config(
    name: str | Path,
    options: dict | None = None,
    data: str | Path | Mapping | None = None,
    flow: bool = False,
) -> Config:
    """Read a config, combine it with a data set and change some of its settings.

    Args:
        name: Path, or name of a shipped config (:func:`mmssl_video.find_config`).
        options: ``{'a.b.c': value}``, as ``'train_dataloader.dataset.pipeline.sample.stride'``;
            numbers reach into lists.
        data: Data set, in the place of the config's own (:func:`.settings.data.load_data`).
        flow: Whether to read its optical flow.

    Returns:
        The config, with ``work_dir`` set to ``work_dirs/<name>`` where it names none.

    Raises:
        FileNotFoundError: No such config.
        ValueError: It is no Python, or an option names no place in it.
    """
    path = find_config(name)
    try:
        cfg = Config.fromfile(str(path))
    except SyntaxError as error:  # mmengine parses the text without its name
        raise ValueError(
            f'{path}, or a config it inherits from, is no Python: {error.msg} in line '
            f'{error.lineno}'
        ) from None
    settle_data(cfg, data, flow, options)
    if options:
        check_options(cfg, options)
        cfg.merge_from_dict(options)
    if cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', path.stem)
    return cfg


def check_options(cfg: Config, options: dict) -> None:
    """See whether each option names a place in the config; warn of those that change nothing.

    Raises:
        ValueError: It does not. (mmengine's own errors are long, or come from deep within.)
    """
    for key in options:
        node, parts = cfg, key.split('.')
        if len(parts) > 1 and parts[0] in _COPIED:
            loader = f'{_COPIED[parts[0]]}.dataset.pipeline'
            print_log(
                f'--cfg-options {key} changes nothing: the data loaders hold copies of '
                f'{parts[0]}; set {".".join([loader, *parts[1:]])}',
                level=logging.WARNING,
            )
        for number, part in enumerate(parts):
            where = '.'.join(parts[:number])
            if isinstance(node, (dict, Config)):
                if part not in node or number == len(parts) - 1:
                    break  # new or replaced
                node = node[part]
            elif isinstance(node, list):
                if not part.isdigit() or int(part) >= len(node):
                    raise ValueError(
                        f'--cfg-options {key}: {where} is a list of {len(node)} items '
                        f'and has no item {part} (they count from 0)'
                    )
                node = node[int(part)]
                if number == len(parts) - 1 and not (
                    isinstance(node, dict) and isinstance(options[key], dict)
                ):
                    raise ValueError(
                        f'--cfg-options {key}: an item of a list cannot be replaced; '
                        f'set what is in it ({key}.KEY=VALUE) or the whole {where}'
                    )
            else:
                raise ValueError(
                    f'--cfg-options {key}: {where} is {str(node)[:60]}, so there is no {part} in it'
                )


def use_amp(cfg: Config) -> None:
    """Switch mixed precision on: float16 with loss scaling on a GPU, bfloat16 on the CPU."""
    wrapper = cfg.optim_wrapper
    kind = wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper', 'CPUAmpOptimWrapper'):
        raise ValueError(f'--amp cannot be used with optim_wrapper.type={kind!r}')
    if torch.cuda.is_available():
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
    else:
        wrapper.type = 'CPUAmpOptimWrapper'
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            wrapper.pop(key, None)


def use_auto_scale_lr(cfg: Config) -> None:
    """Switch the linear scaling of the learning rate on."""
    if not cfg.get('auto_scale_lr') or 'base_batch_size' not in cfg.auto_scale_lr:
        raise ValueError(
            '--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in the '
            'config: the batch size, over all processes, its learning rate is for'
        )
    cfg.auto_scale_lr.enable = True


def train(
    cfg: Config, resume: str | None = None, launcher: str = 'none', options: dict | None = None
) -> torch.nn.Module:
    """Train a model; everything that can be checked is checked before the first step.

    Args:
        cfg: Config with a ``work_dir``; changed in place.
        resume: None; ``'auto'`` for the last checkpoint in the work dir, if there is one; or the
            path of a checkpoint.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        options: Settings of the model, by dotted name, that win over those of a checkpoint where
            the encoder's architecture comes from it (``encoder_from = 'checkpoint'``).

    Returns:
        The trained model.

    Raises:
        ValueError, FileNotFoundError, PermissionError: The config, a file or the work dir cannot
            be used; the message is one sentence for the user.
    """
    _choose_start(cfg, resume)
    check_lists(cfg)
    if cfg.get('load_from') and cfg.get('encoder_from') == 'checkpoint':
        use_checkpoint_encoder(cfg, _read_checkpoint(cfg.load_from), cfg.load_from, options)
    if 'classification' in cfg:
        set_num_blocks(cfg)
        set_num_classes(cfg)
    check_config(cfg)
    check_work_dir(cfg.work_dir)
    _drop_missing_tensorboard(cfg)
    if launcher != 'none':
        compat.init_cpu_process_group(launcher)
        compat.set_cpu_model_wrapper(cfg)
    cfg.launcher = launcher
    runner = RUNNERS.build(cfg) if cfg.get('runner_type') else Runner.from_cfg(cfg)
    if cfg.get('load_from'):
        check_checkpoint(runner.model, cfg.load_from, cfg.resume)
        runner.register_hook(EncoderWeightsHook(cfg.load_from))
    return runner.train()


def _choose_start(cfg, resume):
    """Settle what the run begins with: ``cfg.load_from`` and ``cfg.resume``."""
    found, given = None, cfg.get('load_from') not in (None, '', 'required')
    if resume is not None or (cfg.get('resume') and not given):
        found = resume if resume not in (None, 'auto') else last_checkpoint(cfg.work_dir)
        cfg.resume = found is not None
        if found is None:
            print_log(f'There is no checkpoint in {cfg.work_dir} yet: training from the start.')
    if found is None and not cfg.get('resume'):
        check_pretrained(cfg)
    elif found is not None:
        cfg.load_from = found
        if 'classification' in cfg:
            contents = _read_checkpoint(found)
            if (contents.get('meta') or {}).get('cfg'):
                cfg.pretrained = config_from_checkpoint(contents, found).get('pretrained')


def _read_checkpoint(path):
    # mmengine reads an address again, from the copy that this leaves in torch's hub folder
    is_web = str(path).startswith(('http://', 'https://'))
    return load_from_http(path) if is_web else load_checkpoint_file(path)


def check_config(cfg: Config) -> None:
    """Compare what the pipelines give with what the model expects.

    Raises:
        ValueError: A part of the config is missing, or pipeline and model contradict each other.
    """
    for key in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'):
        if not cfg.get(key):
            raise ValueError(
                f'the config {cfg.filename or ""} has no {key}: it is no config to train with'
            )
    optimizer = cfg.optim_wrapper.get('optimizer', {})
    kind = optimizer.get('type')
    if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
        raise ValueError(f'there is no optimizer {kind!r} (optim_wrapper.optimizer.type)')
    for key in ('lr', 'weight_decay', 'momentum', 'eps'):
        value = optimizer.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise ValueError(
                f'optim_wrapper.optimizer.{key} must be a number of at least 0, not {value!r}'
            )
    for name, least in (
        ('train_dataloader.batch_size', 1),
        ('train_dataloader.num_workers', 0),
        ('val_dataloader.batch_size', 1),
        ('val_dataloader.num_workers', 0),
        ('train_cfg.max_epochs', 1),
    ):
        part, key = name.split('.')
        value = (cfg.get(part) or {}).get(key, least)
        if not isinstance(value, int) or value < least:
            raise ValueError(f'{name} must be a whole number of at least {least}, not {value!r}')
    check_blocks(cfg)
    check_views(cfg)
    check_hooks(cfg)


def check_views(cfg: Config) -> None:
    """See whether pairs of clips, and enough of them, reach a model that compares two views.

    Raises:
        ValueError: A sample has another number of clips, or a batch holds a single pair, of which
            batch norm has no statistics.
    """
    kind = str(cfg.model.type).split('.')[-1]
    if kind not in ('BYOL', 'SSTL'):
        return
    for name in ('train_dataloader', 'val_dataloader'):
        count = num_views_of(pipeline_of(cfg.get(name)))
        if cfg.get(name) and count != 2:
            raise ValueError(
                f'{name}: the pipeline gives {count or "a varying number of"} '
                f'clip{"s" * (count != 1)} of a video, and {kind} compares 2: set '
                + (
                    "SampleWindow.num_windows=2 and mode='random' or 'uniform'"
                    if kind == 'BYOL'
                    else "RepeatClips.times=2 and SampleWindow.mode='random'"
                )
            )


def check_hooks(cfg: Config) -> None:
    """Let the method that the config trains check it.

    Raises:
        ValueError: See :meth:`SelfSupervisedRecognizer.check_config`.
    """
    method = method_of(cfg.model)
    if method is not None:
        method.check_config(cfg)


def check_blocks(cfg: Config) -> None:
    """Compare the blocks that pipelines make of a clip with those the model expects.

    Raises:
        ValueError: They differ, or a window is no whole number of them.
    """
    num_blocks = cfg.model.get('num_blocks')
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        window = None
        for step in pipeline_of(cfg.get(name)):
            kind = str(step.get('type')).split('.')[-1]
            if kind == 'SampleWindow':
                window = step.get('num_frames', window)
            elif kind == 'TemporalRandomCrop':
                window = step.get('num_frames', 16)
            elif kind == 'SplitBlocks':
                blocks = step.get('num_blocks', num_blocks)
                if num_blocks is not None and blocks != num_blocks:
                    raise ValueError(
                        f'{name}: SplitBlocks makes {blocks} blocks of a clip but '
                        f'model.num_blocks is {num_blocks}; set both to the same number'
                    )
                if window and blocks and window % blocks:
                    raise ValueError(
                        f'{name}: a window of {window} frames cannot be split into {blocks} '
                        f'blocks of equal length; set SampleWindow.num_frames to a multiple of '
                        f'{blocks}, such as {max(window // blocks, 1) * blocks}'
                    )


def check_lists(cfg: Config) -> None:
    """Look for the list files before anything is built.

    Raises:
        FileNotFoundError: One is not there.
    """
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        dataset = dataset_of(cfg.get(name))
        ann_file = dataset.get('ann_file')
        if ann_file and '://' not in ann_file:
            path = os.path.join(dataset.get('data_root') or '', ann_file)
            if not os.path.isfile(path):
                raise FileNotFoundError(
                    f'the list file {path!r} of {name} is not there: write it (one "path label" '
                    f'per line) or set {name}.dataset.ann_file to where it lies'
                )


def check_work_dir(
    work_dir: str | os.PathLike, what: str = 'the work dir', option: str = '--work-dir'
) -> None:
    """Make a folder and write into it.

    Args:
        work_dir: The folder.
        what: How the message names it.
        option: What gives another one.

    Raises:
        OSError: That is not possible; the message says what stands in the way.
    """
    folder = Path(work_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix='.write_test_'):
            pass
    except OSError as error:
        raise type(error)(
            f'{what} {str(work_dir)!r} cannot be written to '
            f'({error.strerror}); give another one with {option}'
        ) from None


def last_checkpoint(work_dir: str | os.PathLike) -> str | None:
    """The checkpoint that ``last_checkpoint`` in the work dir names, also after the dir was moved.

    Raises:
        FileNotFoundError: It names a file that is gone.
    """
    note = Path(work_dir) / 'last_checkpoint'
    if not note.exists():
        return None
    named = Path(note.read_text().strip())
    for path in (named, note.with_name(named.name)):
        if path.is_file():
            return str(path)
    raise FileNotFoundError(
        f'{note} names {named}, which does not exist: resume from another '
        f'checkpoint with --resume PATH, or remove {note}'
    )


def check_checkpoint(model: torch.nn.Module, path: str, resume: bool) -> None:
    """Compare a checkpoint with the model before any data are touched.

    Resuming needs every key; ``load_from`` may leave whole parts out, but not pieces of one.
    mmengine only logs such differences and trains on from a model half at random.

    Raises:
        FileNotFoundError, CheckpointError: It cannot be read, or is of another architecture.
    """
    checkpoint = _read_checkpoint(path)
    if resume:
        if not {'optimizer', 'message_hub'} <= set(checkpoint) or not (
            {'epoch', 'iter'} <= set(checkpoint.get('meta', ()))
        ):
            raise CheckpointError(
                f'{path} holds weights only, so training cannot be resumed from '
                'it; start from its weights with --cfg-options load_from=PATH'
            )
        if 'config' in checkpoint['meta']:
            raise CheckpointError(
                f'{path} is refused: mmengine would run the text in its '
                "meta['config'], which a checkpoint of ours does not have"
            )
        load_full(model, checkpoint, str(path))
        return
    weights = state_dict_of(checkpoint, str(path))
    model = model.module if is_model_wrapper(model) else model
    parts = loaded_parts(model)
    if not any(key.split('.', 1)[0] in parts for key in weights):
        raise CheckpointError(
            f'{path} is of another architecture: none of its keys '
            f'({next(iter(weights))}, ...) is in the model'
        )
    # A part that is absent altogether is fine; a deeper backbone or half a neck is not.
    match_weights(model, weights, str(path), parts)


def _drop_missing_tensorboard(cfg: Config) -> None:
    """TensorBoard is an extra: without it the run goes on with the log and the JSON file."""
    backends = (cfg.get('visualizer') or {}).get('vis_backends') or []
    if importlib.util.find_spec('tensorboard') is None:
        kept = [b for b in backends if b.get('type') != 'TensorboardVisBackend']
        if len(kept) < len(backends):
            cfg.visualizer.vis_backends = kept
            print_log(
                'tensorboard is not installed: scalars go to the log and its JSON file only',
                level=logging.INFO,
            )


if __name__ == '__main__':
    cli.run(main)
