"""Starting and leaving the processes of a distributed run, with or without GPUs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

#: Environment variable in which our launcher (tools/lib/launch.py) names its process.
LAUNCHER = 'MMSSL_LAUNCHER'
_PR_SET_PDEATHSIG = 1


@contextlib.contextmanager
def process_group(launcher: str) -> Iterator[None]:
    """The process group of a tool while it works, with or without GPUs.

    At the end it is left whatever happened, also where another (mmengine's Runner) started it.

    Args:
        launcher: See :func:`init_cpu_process_group`, as for the errors.
    """
    import torch
    from mmengine.dist import init_dist

    try:
        init_cpu_process_group(launcher)
        if launcher != 'none' and torch.cuda.is_available():
            init_dist(launcher)
        yield
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def init_cpu_process_group(launcher: str, timeout: float = 1800) -> None:
    """Start gloo ourselves where there is no GPU.

    mmengine's own start calls ``torch.cuda.set_device`` even for gloo, and fails; it skips its
    start when a process group exists.

    Args:
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``, as for mmengine's Runner.
        timeout: Seconds a process waits for the others.

    Raises:
        ValueError: The launcher's settings are not in the environment, with a GPU too.
    """
    import datetime

    import torch
    from torch import distributed

    if launcher == 'none' or distributed.is_initialized():
        return
    if launcher == 'pytorch':
        end_with_launcher()
    if launcher == 'slurm':
        names = {
            'RANK': 'SLURM_PROCID',
            'WORLD_SIZE': 'SLURM_NTASKS',
            'LOCAL_RANK': 'SLURM_LOCALID',
        }
    elif launcher == 'mpi':
        names = {
            key: f'OMPI_COMM_WORLD_{key.replace("WORLD_SIZE", "SIZE")}'
            for key in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')
        }
    else:
        names = {key: key for key in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')}
    missing = [source for source in names.values() if source not in os.environ]
    if missing:
        raise ValueError(
            f'--launcher {launcher} needs {", ".join(missing)} in the environment, '
            'which the launcher sets: start with tools/dist_train.sh, dist_test.sh or '
            'slurm_train.sh, or leave --launcher out'
        )
    if torch.cuda.is_available():
        return
    for key, source in names.items():
        os.environ.setdefault(key, os.environ[source])
    if launcher != 'pytorch':
        os.environ.setdefault('MASTER_ADDR', '127.0.0.1')
        os.environ.setdefault('MASTER_PORT', '29500')
    distributed.init_process_group('gloo', timeout=datetime.timedelta(seconds=timeout))


def end_with_launcher() -> None:
    """Have this process killed as soon as the one that started it is gone, even by ``kill -9``.

    Processes whose launcher was killed train on, on devices and in a work dir that look free.
    """
    parent, is_linux = os.getppid(), sys.platform == 'linux'
    # a signal that cannot be handled: a process that waits in a collective would not come to it
    if not is_linux or ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        threading.Thread(target=_watch, args=(parent,), daemon=True, name='launcher').start()
    launcher = os.environ.get(LAUNCHER)
    if launcher is not None:
        try:
            os.kill(int(launcher), 0)
        except ProcessLookupError:  # it was gone before
            os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


def set_cpu_model_wrapper(cfg) -> None:
    """Have the Runner wrap the model in :class:`CPUDistributedDataParallel` where there is no GPU.

    Args:
        cfg: mmengine Config; changed in place unless it names a wrapper of its own.
    """
    import torch

    if not torch.cuda.is_available() and cfg.get('model_wrapper_cfg') is None:
        from mmssl_video.engine.model_wrappers import CPUDistributedDataParallel

        cfg.model_wrapper_cfg = dict(
            type=f'mmaction.{CPUDistributedDataParallel.__name__}',
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )
