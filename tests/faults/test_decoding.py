"""Random videos of every container and codec that can be written here, sound and damaged.

A process of its own reads them, so that a crash is a finding like any other. Each case is one whole
number; what failed says how it is replayed. ``MMSSL_FAULTS=5000 pytest -m '' tests/faults`` runs so
many random cases instead of a few fixed ones.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from helpers.odd_videos import plain_decode
from helpers.videos import numbered_frames, write_video

sys.path.insert(0, str(Path(__file__).parent))
from decoding_cases import CODECS, check_sound

PROGRAM = Path(__file__).with_name('decoding_cases.py')
BATCH = 100
ASKED = int(os.environ.get('MMSSL_FAULTS', 0))


def run_cases(first: int, end: int, limit: float = 600) -> None:
    """Run cases in another process.

    Raises:
        AssertionError: Names each case that failed, and how to replay it.
    """
    command = [sys.executable, str(PROGRAM), str(first), str(end)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        output, status = (error.stdout or b'').decode(), f'longer than {limit} s'
    lines = output.splitlines()
    failed = [line for line in lines if ' FAILED ' in line]
    finished = sum(' FAILED ' in line or ' held ' in line for line in lines)
    if finished < end - first:
        failed.append(f'{lines[-1] if lines else "start"}: the process ended ({status})')
    assert not failed, '\n'.join([*failed, f'replay: python tests/faults/{PROGRAM.name} NUMBER'])


@pytest.mark.parametrize(
    'name, container',
    [(name, container) for name, codec in CODECS.items() for container in codec[1]],
)
def test_every_container_and_codec(tmp_path, name, container):
    encoder, _, b_frames, options, pix_fmt = CODECS[name]
    path = write_video(
        tmp_path / f'a.{container}',
        numbered_frames(40, (64, 96)),
        encoder,
        pix_fmt=pix_fmt,
        gop=9,
        b_frames=b_frames,
        options=options,
    )
    assert not check_sound(path, plain_decode(path), np.random.default_rng(0))


def test_a_few_cases():
    run_cases(0, 30)


@pytest.mark.slow
def test_many_cases():
    first = int(time.time()) % 10**6 * 1000 if ASKED else 1000
    count = ASKED or 300
    print(f'cases {first} to {first + count - 1}')
    for start in range(first, first + count, BATCH):
        run_cases(start, min(start + BATCH, first + count))


def test_what_fails_is_named(tmp_path, monkeypatch):
    program = tmp_path / 'program.py'
    monkeypatch.setattr(sys.modules[__name__], 'PROGRAM', program)
    program.write_text("print('case 4 FAILED (h264.mp4): other frames than [3]')")
    with pytest.raises(AssertionError, match=r'case 4 FAILED .*\n.*replay: python .*program\.py'):
        run_cases(4, 5)
    program.write_text("import os; print('case 4 ', end='', flush=True); os.abort()")
    with pytest.raises(AssertionError, match='case 4.*the process ended .-6.'):
        run_cases(4, 5)
    program.write_text("import time; print('case 4 ', end='', flush=True); time.sleep(60)")
    with pytest.raises(AssertionError, match='case 4.*longer than 2 s'):
        run_cases(4, 5, limit=2)
