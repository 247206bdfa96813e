"""The launch scripts run nothing that lies around, and leave no process behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from helpers.tiny_run import REPO, environment, last_line, make_config, run

TOOLS = REPO / 'tools'


@pytest.fixture
def trapped(tmp_path):
    """A folder of modules with everybody's names, each of which leaves a mark when imported."""
    names = ('socket', 'torch', 'os', 'random', 'json', 'logging', 'pip', 'venv', 'numpy', 'types')
    for name in names:
        (tmp_path / f'{name}.py').write_text(f'open({str(tmp_path / "mark")!r}, "w").close()\n')
    return tmp_path


@pytest.mark.skipif(torch.cuda.is_available(), reason='about machines without a GPU')
@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
def test_the_current_folder_is_not_imported(script, trapped):
    more = ['random'] if script == 'dist_test.sh' else []
    done = run(TOOLS / script, 'no_such_config.py', *more, 1, cwd=trapped)
    assert last_line(done.stdout).startswith("error: config 'no_such_config.py' does not exist")
    assert not (trapped / 'mark').exists()


def test_looking_for_an_environment_imports_nothing_of_the_current_folder(trapped):
    script = f'source {TOOLS}/lib/env.sh; use_env; echo done'
    done = run('bash', '-c', script, cwd=trapped, VIRTUAL_ENV=sys.prefix)
    assert last_line(done.stdout) == 'done'
    assert not (trapped / 'mark').exists()


@pytest.mark.parametrize('name', ['NNODES', 'NODE_RANK', 'PORT', 'GPUS'])
@pytest.mark.parametrize('value', ['x[$(touch mark)]', '08', '-1', '1e3', '2 3', '0x10', '9' * 30])
def test_settings_of_the_launcher_are_numbers_only(name, value, tmp_path):
    """Bash evaluates what stands in arithmetic, and so runs commands in it."""
    gpus, env = (value, {}) if name == 'GPUS' else ('1', {name: value, 'MASTER_ADDR': '127.0.0.1'})
    done = run(TOOLS / 'dist_train.sh', 'no_such_config.py', gpus, cwd=tmp_path, **env)
    assert not (tmp_path / 'mark').exists()
    assert done.returncode == 2, done.stdout
    said = last_line(done.stdout)
    assert said.startswith(f'error: {name} must be ') and said.endswith(f"not '{value}'")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize('name', ['GPUS', 'GPUS_PER_NODE', 'CPUS_PER_TASK', 'MASTER_PORT'])
def test_settings_of_slurm_are_numbers_only(name, tmp_path):
    (tmp_path / 'srun').write_text('#!/bin/sh\ntouch started\n')
    (tmp_path / 'srun').chmod(0o755)
    path = f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'
    for value in ('x[$(touch mark)]', '0', '08', 'two'):
        arguments = ('gpu', 'job', 'config', 'work')
        env = {name: value, 'PATH': path}
        done = run(TOOLS / 'slurm_train.sh', *arguments, cwd=tmp_path, **env)
        assert done.returncode == 2
        assert last_line(done.stdout) == (
            f"error: {name} must be a whole number of at least 1, not '{value}'"
        )
    assert {path.name for path in tmp_path.iterdir()} == {'srun'}


def processes_of(work: Path) -> set[int]:
    """Processes with the work dir in their command line."""
    found = set()
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            line = (folder / 'cmdline').read_bytes()
            state = (folder / 'stat').read_text().rpartition(')')[2].split()[0]
        except OSError:
            continue
        if os.fsencode(work) in line and state not in 'ZX':
            found.add(int(folder.name))
    return found


@pytest.mark.skipif(sys.platform != 'linux' or torch.cuda.is_available(), reason='looks at /proc')
@pytest.mark.parametrize('end', [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_launcher(end, tmp_path):
    config = make_config(tmp_path)
    work = tmp_path / 'work of workers'
    launcher = subprocess.Popen(
        [TOOLS / 'dist_train.sh', config, '2', '--work-dir', work, '--cfg-options']
        + ['train_cfg.max_epochs=100000', 'train_dataloader.num_workers=1']
        + ['train_dataloader.persistent_workers=True'],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 200
        while not (work / 'last_checkpoint').exists():
            assert time.monotonic() < deadline and launcher.poll() is None
            time.sleep(0.5)
        assert len(processes_of(work)) >= 5  # launcher, two workers, a decoder of each
        os.kill(launcher.pid, end)
        launcher.wait(60)
        deadline = time.monotonic() + 30  # decoders look for their process every 5 s
        while processes_of(work) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert not processes_of(work)
    finally:
        for process in {launcher.pid, *processes_of(work)} - {os.getpid()}:
            if launcher.returncode is None or process != launcher.pid:
                os.kill(process, signal.SIGKILL)
        launcher.wait()
