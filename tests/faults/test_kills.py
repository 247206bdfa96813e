"""kill -9 at random moments, for every method: the resumed run is bit-identical.

Each case is one whole number, which draws the method, what it trains with and the moments; a line
says them. ``MMSSL_FAULTS=200 pytest -m '' tests/faults/test_kills.py`` runs so many cases instead
of one of each kind; ``MMSSL_FAULTS=18 pytest -m '' 'tests/faults/test_kills.py::test_kills[17]'``
replays case 17 (a case below the number of kinds needs no variable).
"""

from __future__ import annotations

import os
import random
import signal

import pytest
import torch

from helpers.fault_runs import write_config
from helpers.minimal_parts import METHODS
from helpers.tiny_run import assert_same_weights, run_stages

pytestmark = pytest.mark.slow
ASKED = int(os.environ.get('MMSSL_FAULTS', 0))
EPOCHS, BATCHES = 3, 5  # 10 videos by 2

#: (method, settings of the run, options of the command); 5 batches are no multiple of 2
KINDS = [
    *[(method, dict(), []) for method in METHODS],
    *[(method, dict(accumulate=2), []) for method in METHODS],
    *[(method, dict(), ['--amp']) for method in METHODS],
    ('SSTL', dict(storage='mapped'), []),
    ('SSTL', dict(storage='mapped', accumulate=2), []),
]


def moments_of(rng: random.Random) -> list[str]:
    """One to three moments; those by time are wherever the machine has come to."""
    moments = []
    for _ in range(rng.randint(1, 3)):
        moments.append(
            rng.choice(
                [
                    f'after:{rng.uniform(0, 3):.2f}',
                    f'train:{rng.randrange(EPOCHS)}:{rng.randrange(BATCHES)}',
                    f'write:epoch_{rng.randint(1, EPOCHS)}.pth',
                    'write:last_checkpoint',
                ]
            )
        )
    return moments


@pytest.mark.parametrize('number', range(max(ASKED, len(KINDS))))
def test_kills(number, tmp_path):
    rng = random.Random(number)
    method, settings, options = KINDS[number] if number < len(KINDS) else rng.choice(KINDS)
    moments = moments_of(rng)
    case = f'case {number}: {method} {settings} {" ".join(options)} killed at {moments}'
    print(case)
    config = str(write_config(tmp_path, method, EPOCHS, num_train=2 * BATCHES, **settings))
    stages = [dict(args=[config, '--work-dir', 'straight', *options], env={}, log='straight.log')]
    for stage, moment in enumerate([*moments, '']):
        args = [config, '--work-dir', 'killed', *options, *(['--resume'] if stage else [])]
        stages.append(dict(args=args, env=dict(MMSSL_TEST_KILL=moment), log=f'killed{stage}.log'))
    codes = run_stages(stages, tmp_path, timeout=1200)
    # a moment that had passed already, or that never came, ends well
    assert codes[0] == codes[-1] == 0 and set(codes) <= {0, -signal.SIGKILL}, (case, codes)
    name = f'epoch_{EPOCHS}.pth'
    assert_same_weights(tmp_path / 'straight' / name, tmp_path / 'killed' / name)
    straight, killed = (
        torch.load(tmp_path / folder / name, weights_only=True) for folder in ('straight', 'killed')
    )
    for key, state in straight['optimizer']['state'].items():
        other = killed['optimizer']['state'][key]['momentum_buffer']
        assert torch.equal(state['momentum_buffer'], other), case
    assert straight['param_schedulers'] == killed['param_schedulers'], case
    bank = killed.get('temporal_memory_bank')
    if bank is not None:
        twin = straight['temporal_memory_bank']
        assert bank['num_updates'] == twin['num_updates'], case
        assert torch.equal(bank['filled'], twin['filled']), case
        files = [
            (tmp_path / folder / each['file']).read_bytes() if 'file' in each else each['cells']
            for folder, each in (('straight', twin), ('killed', bank))
        ]
        same = torch.equal(*files) if isinstance(files[0], torch.Tensor) else files[0] == files[1]
        assert same, case
