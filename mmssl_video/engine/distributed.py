"""Starting and leaving the processes of a distributed run, with or without GPUs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


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
