"""Runs ``train.py`` several times, each in a process of its own, paying for the imports once.

Reads JSON from stdin: a list of ``{"args": [...], "env": {...}, "log": path}``. Each stage runs in
a fork made after the imports. Prints a JSON list of exit codes (negative: the signal).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from mmssl_video.commands import errors
from mmssl_video.commands.train import main


def run_stage(stage: dict) -> int:
    child = os.fork()
    if child == 0:
        os.environ.update(stage['env'])
        log = os.open(stage['log'], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = 0
        try:
            errors.run(lambda: main(stage['args']))
        except SystemExit as leave:
            code = leave.code or 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_stages(stages: list[dict], cwd: Path, timeout: float = 300) -> list[int]:
    """Run stages from a test; see the head of the file."""
    import subprocess

    from .tiny_run import REPO, environment

    env = environment()
    env['PYTHONPATH'] = f'{REPO / "tests"}{os.pathsep}{env["PYTHONPATH"]}'
    done = subprocess.run(
        [sys.executable, '-m', 'helpers.tool_stages'],
        input=json.dumps(stages),
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == '__main__':
    print(json.dumps([run_stage(stage) for stage in json.load(sys.stdin)]))
