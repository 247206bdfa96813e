"""Forks that stand for fresh Python processes in other tests behave as those do."""

import os
import signal
import subprocess
import time

import pytest

from helpers.tiny_run import REPO, run, run_ranks, run_together


@pytest.mark.parametrize('fresh', [False, True], ids=['fork', 'fresh'])
def test_a_program_meets_what_it_was_given(tmp_path, fresh):
    """Arguments, folder, environment, paths, both outputs, exit code: one list for both ways."""
    (tmp_path / 'beside.py').write_text('word = "imported"\n')
    script = tmp_path / 'program.py'
    script.write_text(
        'import os, sys, threading, atexit\n'
        'import beside\n'
        'atexit.register(print, "at exit")\n'
        'print(__name__, sys.argv[1:], os.getcwd(), os.environ["WORD"], beside.word)\n'
        'print("MMSSL_REMOVED" in os.environ, os.path.exists(sys.argv[0]), sys.stdin.read())\n'
        'print("an error", file=sys.stderr)\n'
        'threading.Timer(0.2, print, ["thread"]).start()\n'
        'sys.exit(7)\n'
    )
    done = run(
        'python', script, 'a b', 3, cwd=tmp_path, stderr=subprocess.PIPE, fresh=fresh, WORD='ä'
    )
    assert done.returncode == 7
    assert done.stderr == 'an error\n'
    assert done.stdout == (
        f"__main__ ['a b', '3'] {tmp_path} ä imported\nFalse True \nthread\nat exit\n"
    )


@pytest.mark.parametrize('fresh', [False, True], ids=['fork', 'fresh'])
@pytest.mark.parametrize(
    'code, status, last',
    [
        ('1 / 0', 1, 'ZeroDivisionError: division by zero'),
        ('raise SystemExit("no")', 1, 'no'),
        ('raise SystemExit', 0, ''),
        ('import os; os.kill(os.getpid(), 9)', -signal.SIGKILL, ''),
        ('import os; os._exit(9)', 9, ''),
    ],
)
def test_a_program_ends_as_it_would(tmp_path, code, status, last, fresh):
    done = run('python', '-c', code, cwd=tmp_path, fresh=fresh)
    assert (done.returncode, done.stdout.strip().split('\n')[-1]) == (status, last)


def test_nothing_stays_of_a_fork(tmp_path):
    """Neither what it changed, nor the random numbers it drew."""
    code = (
        'import builtins, os, random, sys, numpy\n'
        'assert not hasattr(builtins, "mark"); builtins.mark = os.environ["MARK"] = "here"\n'
        'print(random.random(), numpy.random.rand())'
    )
    first, second = (run('python', '-c', code, cwd=tmp_path).stdout.split() for _ in range(2))
    assert len(first) == 2 and not set(first) & set(second)
    assert 'MARK' not in os.environ


def test_modules_run_as_well(tmp_path):
    done = run('python', '-m', 'json.tool', '--help', cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith('usage: ')


def test_a_program_that_goes_on_is_killed(tmp_path):
    code = 'import os, time; open("pid", "w").write(str(os.getpid())); time.sleep(60)'
    with pytest.raises(subprocess.TimeoutExpired):
        run('python', '-c', code, cwd=tmp_path, timeout=3)
    pid, deadline = int((tmp_path / 'pid').read_text()), time.monotonic() + 10
    while os.path.exists(f'/proc/{pid}') and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f'/proc/{pid}')


def test_variables_that_are_read_at_the_start_need_a_fresh_process(tmp_path):
    with pytest.raises(ValueError, match='OMP_NUM_THREADS is read when Python starts: use fresh'):
        run('python', '-c', '', cwd=tmp_path, OMP_NUM_THREADS='2')


def test_two_programs_run_at_the_same_time(tmp_path):
    """Each waits for what the other writes."""
    script = tmp_path / 'meet.py'
    script.write_text(
        'import os, sys, time\n'
        'open(sys.argv[1], "w").close()\n'
        'while not os.path.exists(sys.argv[2]): time.sleep(0.01)\n'
    )
    both = run_together([([script, 'a', 'b'], {}), ([script, 'b', 'a'], {})], tmp_path, timeout=30)
    assert [done.returncode for done in both] == [0, 0]


def test_torch_works_in_forks(tmp_path):
    """A group of processes, backward passes and loaders with workers, forked and spawned."""
    script = tmp_path / 'work.py'
    script.write_text(
        'import torch\n'
        'from torch import distributed\n'
        'class Numbers(torch.utils.data.Dataset):\n'
        '    def __len__(self):\n'
        '        return 4\n'
        '    def __getitem__(self, index):\n'
        '        return float(index)\n'
        'if __name__ == "__main__":\n'
        '    distributed.init_process_group("gloo")\n'
        '    weight = torch.ones(3, requires_grad=True)\n'
        '    (weight * (distributed.get_rank() + 1)).sum().backward()\n'
        '    distributed.all_reduce(weight.grad)\n'
        '    sums = [sum(torch.utils.data.DataLoader(Numbers(), num_workers=1,\n'
        '                                            multiprocessing_context=context))\n'
        '            for context in ("fork", "spawn")]\n'
        '    print(weight.grad.tolist(), [each.item() for each in sums])\n'
        '    distributed.destroy_process_group()\n'
    )
    for done in run_ranks(script, cwd=tmp_path):
        assert done.returncode == 0, done.stdout
        assert done.stdout == '[3.0, 3.0, 3.0] [6.0, 6.0]\n'


def test_a_tool_says_the_same_in_both(tmp_path):
    tool = REPO / 'tools' / 'data' / 'make_demo_videos.py'
    forked, fresh = (run('python', tool, '--help', cwd=tmp_path, fresh=fresh) for fresh in (0, 1))
    assert forked.returncode == fresh.returncode == 0
    assert forked.stdout == fresh.stdout
