"""A training run small enough for tests: real videos, a narrow model, the real tools."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from . import fork_server
from .videos import write_video

REPO = Path(__file__).resolve().parents[2]
TRAIN = REPO / 'tools' / 'train.py'

CONFIG = """
_base_ = {base!r}
_pipeline = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=8, stride=1, mode='random', short='loop'),
    dict(type='DecodeFrames'),
    dict(type='RandomResizedCrop', area_range=(0.5, 1.0), aspect_ratio_range=(3 / 4, 4 / 3)),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='SplitBlocks', num_blocks=4),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_dataloader = dict(
    batch_size={batch_size},
    num_workers=0,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='VideoListDataset',
        ann_file={train_list!r},
        data_prefix=dict(video={folder!r}),
        pipeline=_pipeline))
val_dataloader = dict(
    batch_size={batch_size},
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='VideoListDataset',
        ann_file={val_list!r},
        data_prefix=dict(video={folder!r}),
        pipeline=_pipeline,
        test_mode=True))
del _pipeline
val_evaluator = dict(type='SSLMetric')
visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])
model = dict(
    type='DensePredictiveCoding',
    backbone=dict(type='ResNet2d3d', depth=18, base_channels=4, norm_cfg=dict(type='BN3d'),
                  track_running_stats=True),
    neck=dict(type='ConvGRU', in_channels=16, hidden_channels=16, dropout=0.1),
    predictor=dict(type='MLPPredictor', in_channels=16, out_channels=16),
    losses=dict(prediction=dict(type='DenseInfoNCELoss')),
    num_blocks=4,
    pred_steps=2,
    data_preprocessor=dict(type='ActionDataPreprocessor', mean=[123.675, 116.28, 103.53],
                           std=[58.395, 57.12, 57.375], format_shape='NCTHW'))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=1)
val_cfg = dict(type='ValLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, weight_decay=1e-5))
param_scheduler = [
    dict(type='ReduceOnPlateauLR', monitor='ssl/loss', rule='less', factor=0.1, patience=10,
         min_value=1e-4)
]
"""


def make_config(
    folder: Path, num_train: int = 8, num_val: int = 4, batch_size: int = 4, extra: str = ''
) -> Path:
    """Write videos, lists and a config into ``folder``; ``extra`` is appended to the config."""
    rng = np.random.default_rng(0)
    names = [f'video {i}.mp4' for i in range(num_train + num_val)]
    for name in names:
        texture = rng.integers(0, 256, (48, 160, 3), dtype=np.uint8)
        step = int(rng.integers(1, 5))
        write_video(
            folder / 'videos' / name,
            [np.ascontiguousarray(texture[:, i * step : i * step + 64]) for i in range(16)],
        )
    lists = {}
    for key, part in (('train', names[:num_train]), ('val', names[num_train:])):
        lists[key] = folder / f'{key}.txt'
        lists[key].write_text(''.join(f'{name} 0\n' for name in part))
    path = folder / 'tiny.py'
    path.write_text(
        CONFIG.format(
            base=str(REPO / 'configs' / '_base_' / 'default_runtime.py'),
            batch_size=batch_size,
            train_list=str(lists['train']),
            val_list=str(lists['val']),
            folder=str(folder / 'videos'),
        )
        + extra
    )
    return path


def environment(**extra: str) -> dict:
    """Environment of a tool: this checkout first on the path, one thread, its output at once."""
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in ('PORT', 'RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT')
    }
    path = os.pathsep.join(filter(None, [str(REPO), env.get('PYTHONPATH')]))
    env.update(dict(PYTHONPATH=path, OMP_NUM_THREADS='1', PYTHONUNBUFFERED='1') | extra)
    return env


def run(
    *command,
    cwd: Path,
    timeout: float = 120,
    stderr: int = subprocess.STDOUT,
    fresh: bool = False,
    **env: str,
) -> subprocess.CompletedProcess:
    """Run a command to its end.

    Args:
        command: Its words. ``python ...`` runs in a fork; see helpers/fork_server.py.
        cwd: The folder it runs in.
        timeout: Seconds after which it is killed, an error.
        stderr: ``subprocess.PIPE`` keeps its errors apart; otherwise they stand in ``stdout``.
        fresh: Python starts anew, for tests of just that.
        env: Changes of the environment.
    """
    words = [str(word) for word in command]
    if fresh or words[0] not in ('python', sys.executable):
        return subprocess.run(
            words,
            cwd=cwd,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=timeout,
        )
    return run_together([(words[1:], env)], cwd, timeout, stderr)[0]


def run_together(
    programs: list[tuple[list, dict]],
    cwd: Path,
    timeout: float = 120,
    stderr: int = subprocess.STDOUT,
) -> list[subprocess.CompletedProcess]:
    """Run Python programs at the same time, to the end of all: arguments and environment of each.

    Where one fails, the others are given ten seconds to end by themselves.
    """
    processes, files = [], []
    with contextlib.ExitStack() as stack:
        for arguments, env in programs:
            out = stack.enter_context(tempfile.TemporaryFile())
            err = out
            if stderr == subprocess.PIPE:
                err = stack.enter_context(tempfile.TemporaryFile())
            process = fork_server.start(arguments, cwd, environment(**env), out, err)
            stack.callback(process.kill)
            processes.append(process)
            files.append((out, err))
        deadline = time.monotonic() + timeout
        for process in processes:
            if process.wait(max(0.1, deadline - time.monotonic())) != 0:
                deadline = min(deadline, time.monotonic() + 10)
        texts = [[_text(file) for file in pair] for pair in files]
    return [
        subprocess.CompletedProcess(
            process.args, process.returncode, out, err if stderr == subprocess.PIPE else None
        )
        for process, (out, err) in zip(processes, texts)
    ]


def _text(file) -> str:
    file.seek(0)
    return io.TextIOWrapper(io.BytesIO(file.read()), encoding='utf-8').read()  # \r\n as \n


def train(*arguments, cwd: Path, **kwargs) -> subprocess.CompletedProcess:
    """``python tools/train.py ...``"""
    return run(sys.executable, TRAIN, *arguments, cwd=cwd, **kwargs)


def run_workers(script: Path, arguments: list[tuple], cwd: Path) -> None:
    """Run a script with each of several arguments at the same time; all must succeed."""
    programs = [([script, *words], {}) for words in arguments]
    for words, done in zip(arguments, run_together(programs, cwd, timeout=300)):
        assert done.returncode == 0, f'{words}: {done.stdout}'


def run_stages(stages: list[dict], cwd: Path, timeout: float = 300) -> list[int]:
    """Run ``train.py`` several times in a row.

    Args:
        stages: Of each its arguments, changes of the environment, and the file of its output:
            ``dict(args=[...], env={...}, log=path)``.
        cwd: The folder they run in.
        timeout: Seconds that one may take.

    Returns:
        Their exit codes; negative: the signal.
    """
    codes = []
    for stage in stages:
        done = train(*stage['args'], cwd=cwd, timeout=timeout, **stage['env'])
        Path(cwd, stage['log']).write_text(done.stdout)
        codes.append(done.returncode)
    return codes


def run_ranks(
    *command, cwd: Path, timeout: float = 120, **env: str
) -> list[subprocess.CompletedProcess]:
    """What torchrun does, in forks: a program in two processes that can form a group.

    Args:
        command: The program and its arguments, without ``python``; a tool of ours needs
            ``--launcher pytorch``.
        cwd: The folder it runs in.
        timeout: Seconds after which both are killed, an error.
        env: Changes of the environment.

    Returns:
        What came of each process.
    """
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    group = dict(WORLD_SIZE='2', LOCAL_WORLD_SIZE='2', MASTER_ADDR='127.0.0.1')
    group['MASTER_PORT'] = str(port)
    programs = [
        (command, env | group | dict(RANK=str(rank), LOCAL_RANK=str(rank))) for rank in range(2)
    ]
    return run_together(programs, cwd, timeout)


def last_line(output: str) -> str:
    return output.strip().splitlines()[-1]


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, map_location='cpu', weights_only=True)['state_dict']


def assert_same_weights(a: Path, b: Path) -> None:
    """All tensors of two checkpoints agree bit by bit."""
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    different = [key for key in first if not torch.equal(first[key], second[key])]
    assert not different, f'{len(different)} of {len(first)} tensors differ: {different[:5]}'


def scalars(work_dir: Path) -> list[dict]:
    """The logged scalars of all runs in a work dir, in the order of writing."""
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def was_killed(process: subprocess.CompletedProcess) -> bool:
    return process.returncode == -signal.SIGKILL
