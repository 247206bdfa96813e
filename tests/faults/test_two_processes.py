"""Two processes train as one does, for every method, with frozen batch norm (SyncBN needs GPUs)."""

from __future__ import annotations

import os

import pytest
import torch

from helpers.fault_runs import write_config
from helpers.minimal_parts import METHODS
from helpers.tiny_run import REPO, assert_same_weights, run, train, weights

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(torch.cuda.is_available(), reason='about machines without a GPU'),
]
ENVIRONMENT = dict(PYTHONPATH=f'{REPO}{os.pathsep}{REPO / "tests"}', timeout=600)


@pytest.mark.parametrize('method', METHODS)
def test_two_processes_train_as_one_does(method, tmp_path):
    """Two batches of 4 are one of 8: the same videos, augmentations, losses and steps."""
    settings = dict(epochs=2, num_train=16, hooks=", dict(type='FrozenNormHook')")
    one = write_config(tmp_path / 'one', method, batch_size=8, **settings)
    two = write_config(tmp_path / 'two', method, batch_size=4, **settings)
    done = train(one, '--work-dir', 'work', '--seed', 3, cwd=one.parent, **ENVIRONMENT)
    assert done.returncode == 0, done.stdout[-3000:]
    command = [REPO / 'tools' / 'dist_train.sh', two, 2, '--work-dir', 'work', '--seed', 3]
    done = run(*command, cwd=two.parent, **ENVIRONMENT)
    assert done.returncode == 0, done.stdout[-3000:]

    assert_same_weights(two.parent / 'work' / 'rank0.pth', two.parent / 'work' / 'rank1.pth')
    first, second = (weights(path.parent / 'work' / 'epoch_2.pth') for path in (one, two))
    assert first.keys() == second.keys()
    far = {
        key: float((first[key] - second[key]).norm() / first[key].norm().clamp(min=1e-6))
        for key in first
        if first[key].is_floating_point()
    }
    worst = max(far, key=far.get)
    assert far[worst] < 1e-4, f'{worst} differs by {far[worst]:.2g}'
    # and not because nothing was trained
    again = weights(one.parent / 'work' / 'epoch_1.pth')
    assert any(not torch.equal(first[key], again[key]) for key in far)
