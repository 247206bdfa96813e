"""How the processes of a distributed run are started where there is no GPU."""

import socket
import subprocess

import pytest
import torch
from mmengine.config import Config

from helpers.tiny_run import run
from mmssl_video.engine.distributed import set_cpu_model_wrapper


@pytest.mark.skipif(torch.cuda.is_available(), reason='about machines without a GPU')
def test_gloo_is_started_with_the_settings_of_slurm(tmp_path):
    """One task under Slurm's variables: mmengine's own start would ask for a GPU and scontrol."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    code = """
import mmssl_video
from mmssl_video.engine import distributed as ours
from torch import distributed
ours.init_cpu_process_group('none')
assert not distributed.is_initialized()
ours.init_cpu_process_group('slurm')
print(distributed.get_backend(), distributed.get_rank(), distributed.get_world_size())
ours.init_cpu_process_group('slurm')
distributed.destroy_process_group()"""
    env = dict(SLURM_PROCID='0', SLURM_NTASKS='1', SLURM_LOCALID='0', MASTER_PORT=str(port))
    done = run('python', '-c', code, cwd=tmp_path, stderr=subprocess.PIPE, **env)
    assert done.stdout.split() == ['gloo', '0', '1'], done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason='about machines without a GPU')
def test_cpu_model_wrapper_is_set_unless_one_is_named():
    cfg = Config(dict(find_unused_parameters=True))
    set_cpu_model_wrapper(cfg)
    assert cfg.model_wrapper_cfg == dict(
        type='mmaction.CPUDistributedDataParallel', find_unused_parameters=True
    )
    cfg = Config(dict(model_wrapper_cfg=dict(type='Own')))
    set_cpu_model_wrapper(cfg)
    assert cfg.model_wrapper_cfg.type == 'Own'
