"""One run at a time in a work dir; dead ones keep nobody out."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from helpers.tiny_run import environment, last_line, make_config, run
from mmssl_video.results import run_lock
from mmssl_video.results.records import append_results, read_results
from mmssl_video.results.run_lock import LOCK, locked

REPO = Path(__file__).parents[2]
HOLD = """
import sys, time
from mmssl_video.results.run_lock import locked
with locked(sys.argv[1]):
    print('held', flush=True)
    time.sleep(600)
"""


@pytest.fixture
def said(monkeypatch):
    said = []
    monkeypatch.setattr(run_lock, 'print_log', lambda text, *_: said.append(text))
    return said


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of ``work``."""
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(tmp_path / 'work')],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == 'held\n'
    yield process
    process.kill()
    process.wait()


def test_a_second_run_is_refused_and_a_killed_one_taken_over(holder, tmp_path, said):
    work = tmp_path / 'work'
    before = {path: path.stat().st_mtime_ns for path in [work, *work.iterdir()]}
    with pytest.raises(RuntimeError, match='another run is at work in') as caught, locked(work):
        pytest.fail('entered')
    for words in (f'process {holder.pid} on {socket.gethostname()}, since 20', '--work-dir'):
        assert words in str(caught.value)
    assert set(before) == {work, *work.iterdir()}
    assert (work / LOCK).stat().st_mtime_ns == before[work / LOCK]
    os.kill(holder.pid, signal.SIGKILL)
    time.sleep(0.2)  # not waited for: it is a zombie, and no run
    with locked(work):
        assert json.loads((work / LOCK).read_text())['process'] == os.getpid()
    assert len(said) == 1
    assert f'taken over: its process {holder.pid} on this machine is gone' in said[0]
    assert not list(work.iterdir())


def test_the_number_of_a_process_used_anew_is_no_proof_of_life(tmp_path, said):
    own = dict(machine=run_lock._machine(), process=os.getpid(), started='1', host='here')
    (tmp_path / LOCK).write_text(json.dumps(own))
    with locked(tmp_path):
        pass
    assert 'is gone' in said[0]


@pytest.mark.parametrize('text', ['{"machine": "m", "process": 3, "host": "other"}', '', '[1]'])
def test_another_machine_counts_as_dead_without_a_sign_of_life(text, tmp_path, said, monkeypatch):
    monkeypatch.setattr(run_lock, 'PATIENCE', 1.0)
    (tmp_path / LOCK).write_text(text)
    start = time.monotonic()
    with locked(tmp_path):
        assert time.monotonic() - start > 0.9
    assert 'waiting to see whether it lives' in said[0] and 'no sign of life for' in said[1]


def test_another_machine_that_lives_keeps_others_out(tmp_path, said):
    lock = tmp_path / LOCK
    lock.write_text('{"machine": "m", "process": 3, "host": "other", "since": "noon"}')
    timer = threading.Timer(1.5, os.utime, (lock,))
    timer.start()
    with pytest.raises(RuntimeError, match='process 3 on other, since noon'), locked(tmp_path):
        pytest.fail('entered')
    timer.join()
    assert list(tmp_path.iterdir()) == [lock]


def test_a_run_shows_that_it_lives_and_ends_when_it_lost_the_lock(tmp_path, said, monkeypatch):
    monkeypatch.setattr(run_lock, 'BEAT', 0.05)
    lock = tmp_path / LOCK
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background: ignored
    with pytest.raises(KeyboardInterrupt), locked(tmp_path):
        os.utime(lock, (0, 0))
        time.sleep(0.5)
        assert time.time() - lock.stat().st_mtime < 60
        lock.write_text('{"token": "of another"}')
        time.sleep(30)
    signal.signal(signal.SIGINT, before)
    assert 'it ends here' in said[-1]
    assert lock.read_text() == '{"token": "of another"}'  # is not ours to remove


def test_a_run_that_ignores_interrupts_ends_too(tmp_path):
    code = (
        'import signal, sys, time\n'
        'from mmssl_video.results import run_lock\n'
        'signal.signal(signal.SIGINT, signal.SIG_IGN)\n'
        'run_lock.BEAT = 0.05\n'
        'with run_lock.locked(sys.argv[1]):\n'
        '    open(sys.argv[1] + "/.run.lock", "w").write("{}")\n'
        '    time.sleep(60)\n'
    )
    done = run('python', '-c', code, tmp_path, cwd=tmp_path, fresh=True)
    assert done.returncode == -signal.SIGTERM and 'it ends here' in done.stdout


def test_the_lock_goes_with_the_run_whatever_happens(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), locked(tmp_path / 'a' / 'b'):
            assert (tmp_path / 'a' / 'b' / LOCK).exists()
            raise ZeroDivisionError
        assert not list(tmp_path.iterdir())  # nor are empty folders left
    with locked(tmp_path / 'a'):
        (tmp_path / 'a' / 'kept').touch()
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['kept']
    with locked(tmp_path / 'a'):
        pass
    assert (tmp_path / 'a' / 'kept').exists()


def _contend(folder):
    for _ in range(20):
        try:
            with locked(folder):
                inside = Path(folder, 'inside')
                with inside.open('x'):  # fails where two are inside
                    time.sleep(0.005)
                inside.unlink()
        except RuntimeError:
            time.sleep(0.002)


def test_of_many_that_take_over_at_once_one_gets_it(tmp_path):
    context = multiprocessing.get_context('fork')
    dead = json.dumps(dict(machine=run_lock._machine(), process=2**22 + 1, started='1', token='x'))
    for _ in range(3):
        (tmp_path / LOCK).write_text(dead)
        runs = [context.Process(target=_contend, args=(tmp_path,)) for _ in range(6)]
        for each in runs:
            each.start()
        for each in runs:
            each.join()
        assert [each.exitcode for each in runs] == [0] * 6
        assert not list(tmp_path.iterdir())


def _append(file, number):
    for step in range(10):
        append_results(file, [dict(protocol=f'{number}/{step}')])


def test_no_record_is_lost_to_another_run(tmp_path):
    context = multiprocessing.get_context('fork')
    runs = [context.Process(target=_append, args=(tmp_path / 'r.json', n)) for n in range(4)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert len({record['protocol'] for record in read_results(tmp_path / 'r.json')}) == 40


def test_two_trainings_in_one_work_dir(tmp_path):
    """As a requeued job meets the old one: refused, and after kill -9 resumed from its files."""
    config = make_config(tmp_path)
    work = tmp_path / 'run'
    first = subprocess.Popen(
        [sys.executable, str(REPO / 'tools/train.py'), str(config), '--work-dir', str(work)]
        + ['--cfg-options', 'train_cfg.max_epochs=1000', 'train_cfg.val_interval=1000'],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 200
        while not (work / 'last_checkpoint').exists():
            assert time.monotonic() < deadline and first.poll() is None
            time.sleep(0.2)
        os.kill(first.pid, signal.SIGSTOP)  # so that only the second could change anything
        before = {path: path.stat().st_mtime_ns for path in work.rglob('*')}
        again = ('--work-dir', 'run', '--resume', 'auto')
        for command in (
            [sys.executable, REPO / 'tools/train.py', config],
            [REPO / 'tools/dist_train.sh', config, 2],
        ):
            second = run(*command, *again, cwd=tmp_path, timeout=200)
            assert second.returncode == 1
            assert f'another run is at work in {str(work)!r}: process {first.pid}' in last_line(
                second.stdout
            )
            assert second.stdout.count('error: ') == 1 and 'Traceback' not in second.stdout
            assert {path: path.stat().st_mtime_ns for path in work.rglob('*')} == before
    finally:
        first.kill()
        first.wait()
    epoch = int((work / 'last_checkpoint').read_text().rpartition('_')[2].split('.')[0])
    options = ('--cfg-options', f'train_cfg.max_epochs={epoch + 1}')
    third = run(
        sys.executable, REPO / 'tools/train.py', config, *again, *options, cwd=tmp_path, timeout=200
    )
    assert third.returncode == 0, third.stdout[-2000:]
    assert f'is taken over: its process {first.pid} on this machine is gone' in third.stdout
    assert not (work / LOCK).exists() and (work / f'epoch_{epoch + 1}.pth').exists()
