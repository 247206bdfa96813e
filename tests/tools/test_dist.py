"""The launch scripts, as typed: several processes on the CPU."""

import os
import re
import socket
import stat
import subprocess

import pytest
import torch

from helpers.tiny_run import (
    REPO,
    assert_same_weights,
    environment,
    last_line,
    run,
    scalars,
    weights,
)

TOOLS = REPO / 'tools'
pytestmark = [
    pytest.mark.compat,
    pytest.mark.skipif(torch.cuda.is_available(), reason='about machines without a GPU'),
]


@pytest.mark.parametrize(
    'name', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'run_tests.sh']
)
def test_scripts_can_be_run_as_typed(name):
    assert os.stat(TOOLS / name).st_mode & stat.S_IXUSR
    assert subprocess.run(['bash', '-n', str(TOOLS / name)]).returncode == 0


def test_two_processes_train_from_any_folder(tiny_config, tmp_path):
    """Also with SyncBN, which the CPU lacks, and mixed precision."""
    (tmp_path / 'config.py').write_text(
        f'_base_ = {str(tiny_config)!r}\n'
        "custom_imports = dict(imports=['mmssl_video', 'helpers.kill_hook'])\n"
        "custom_hooks = [*_base_.custom_hooks, dict(type='DumpStateHook')]\n"
    )
    (tmp_path / 'elsewhere').mkdir()
    done = run(
        TOOLS / 'dist_train.sh',
        '../config.py',
        2,
        '--amp',
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'model.backbone.norm_cfg.type=SyncBN',
        cwd=tmp_path / 'elsewhere',
        PYTHONPATH=f'{REPO}{os.pathsep}{REPO / "tests"}',
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert 'Distributed launcher: pytorch' in done.stdout
    assert 'SyncBN does not run on the CPU' in done.stdout
    work = tmp_path / 'elsewhere' / 'work_dirs' / 'config'
    assert all(torch.isfinite(value).all() for value in weights(work / 'epoch_1.pth').values())
    # the same weights, and the same statistics of batch norm, in both processes and in the file
    assert_same_weights(work / 'rank0.pth', work / 'rank1.pth')
    assert_same_weights(work / 'rank0.pth', work / 'epoch_1.pth')
    [entry] = [entry for entry in scalars(work) if 'ssl/loss' in entry]
    assert entry['ssl/loss'] > 0
    assert len([entry for entry in scalars(work) if 'num_negatives' in entry]) == 1, (
        '8 videos, 2 processes, batch 4: one step'
    )


def test_an_error_in_all_processes_is_said_once_and_last(tmp_path):
    done = run(TOOLS / 'dist_train.sh', 'configs/memdpc_k400.py', 2, cwd=tmp_path)
    assert done.returncode == 1
    assert 'Traceback' not in done.stdout
    assert done.stdout.count('error: ') == 1
    assert re.match(r'error: .*data/kinetics400/train\.txt', last_line(done.stdout))


def test_a_free_port_is_taken_unless_one_is_named():
    """Two runs that start at once must not meet at the same port."""
    script = f'source {TOOLS}/lib/dist.sh; free_port; free_port'
    ports = subprocess.check_output(['bash', '-c', script], env=environment(), text=True).split()
    for port in set(map(int, ports)):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', port))


@pytest.mark.parametrize(
    ('arguments', 'env', 'words'),
    [
        (['configs/demo/dpc_demo.py'], {}, 'usage: '),
        (
            ['configs/demo/dpc_demo.py', 'two'],
            {},
            "error: GPUS must be the number of processes on this machine, not 'two'",
        ),
        (['configs/demo/dpc_demo.py', '2'], {'NNODES': '2'}, 'error: NNODES=2 needs MASTER_ADDR'),
    ],
)
def test_wrong_use_is_one_sentence(tmp_path, arguments, env, words):
    done = run(TOOLS / 'dist_train.sh', *arguments, cwd=tmp_path, **env)
    assert done.returncode == 2
    assert last_line(done.stdout).startswith(words)


def test_a_process_ended_by_a_signal_is_reported(tmp_path):
    """Such a process cannot say itself why it ended; lack of memory is the usual reason."""
    (tmp_path / 'dies.py').write_text('import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n')
    done = run(
        'python',
        TOOLS / 'lib' / 'launch.py',
        '--standalone',
        '--nproc_per_node=1',
        'dies.py',
        cwd=tmp_path,
    )
    assert done.returncode == 128 + 9
    assert last_line(done.stdout) == 'error: process 0 was ended by signal 9 (out of memory?)'


def test_slurm_script_builds_the_command(tmp_path):
    """With a stand-in for srun, as there is no Slurm here: what it would have run."""
    srun = tmp_path / 'bin' / 'srun'
    srun.parent.mkdir()
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    done = run(
        TOOLS / 'slurm_train.sh',
        'gpu',
        'job',
        'configs/memdpc_k400.py',
        'work dir',
        '--amp',
        cwd=tmp_path,
        GPUS='16',
        SRUN_ARGS='--time=1:00 --qos=low',
        PATH=f'{srun.parent}:{os.environ["PATH"]}',
    )
    lines = done.stdout.splitlines()
    assert {
        '--partition=gpu',
        '--job-name=job',
        '--gres=gpu:8',
        '--ntasks=16',
        '--ntasks-per-node=8',
        '--time=1:00',
        '--qos=low',
    } <= set(lines)
    assert lines[-7:] == [
        str(TOOLS / 'train.py'),
        'configs/memdpc_k400.py',
        '--work-dir',
        'work dir',
        '--launcher',
        'slurm',
        '--amp',
    ]


def test_slurm_script_without_slurm(tmp_path):
    done = run(
        TOOLS / 'slurm_train.sh', 'gpu', 'job', 'configs/memdpc_k400.py', 'work', cwd=tmp_path
    )
    assert done.returncode == 2
    assert last_line(done.stdout).startswith('error: srun is not there')


def test_the_cause_is_named_and_not_its_consequence(tmp_path):
    """Process 1 fails on its own; process 0 waits for it and fails later, of the lost partner."""
    (tmp_path / 'one_fails.py').write_text("""
import os, time
from mmssl_video.commands import errors
def main():
    if os.environ['LOCAL_RANK'] == '1':
        raise FileNotFoundError('list of process 1 is missing')
    while not os.listdir(os.environ['MMSSL_ERROR_DIR']):
        time.sleep(0.05)
    raise ConnectionError('connection closed by peer')
errors.run(main)""")
    done = run(
        'python',
        TOOLS / 'lib' / 'launch.py',
        '--standalone',
        '--nproc_per_node=2',
        'one_fails.py',
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert last_line(done.stdout) == 'error: list of process 1 is missing'
    assert done.stdout.count('error: ') == 1
