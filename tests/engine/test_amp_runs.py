"""Whole --amp runs on the CPU: two are one, bit by bit, also resumed, and all is a number."""

import signal

import numpy as np
import pytest
import torch

from helpers.tiny_run import assert_same_weights, run_stages, scalars, weights
from helpers.videos import write_video

# 4 iterations an epoch: of uninitialised gradients byol and fgkvmem were NaN within 6
CONFIG = """
_base_ = 'mmssl_video::{name}'
custom_imports = dict(imports=['mmssl_video', 'helpers.kill_hook'], allow_failed_imports=False)
custom_hooks = [*_base_.custom_hooks, dict(type='KillHook')]
_loader = dict(num_workers=0, dataset=dict(pipeline=dict(sample=dict(stride=1))))
train_dataloader = dict(batch_size=2, **_loader)
val_dataloader = dict(batch_size=2, **_loader)
del _loader
train_cfg = dict(max_epochs=2, val_interval=1)
"""


def make_data(folder):
    rng = np.random.default_rng(0)
    names = [f'{number}.mp4' for number in range(10)]
    for name in names:
        texture = rng.integers(0, 256, (72, 200, 3), dtype=np.uint8)
        step = int(rng.integers(1, 3))
        write_video(
            folder / 'videos' / name,
            [np.ascontiguousarray(texture[:, i * step : i * step + 96]) for i in range(42)],
        )
    (folder / 'train.txt').write_text(''.join(f'{name} 0\n' for name in names[:8]))
    (folder / 'test.txt').write_text(''.join(f'{name} 0\n' for name in names[8:]))


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason='bfloat16 on the CPU')
@pytest.mark.parametrize('name', ['byol_demo', 'fgkvmem_demo', 'memdpc_demo'])
def test_amp_runs_are_bit_identical_and_finite(tmp_path, name):
    make_data(tmp_path)
    (tmp_path / 'amp.py').write_text(CONFIG.format(name=name))
    command = ['amp.py', '--amp', '--data', str(tmp_path), '--work-dir']
    stages = [
        dict(args=[*command, 'one'], env={}, log='one.log'),
        dict(args=[*command, 'two'], env={}, log='two.log'),
        dict(args=[*command, 'killed'], env=dict(MMSSL_TEST_KILL='train:1:2'), log='killed.log'),
        dict(args=[*command, 'killed', '--resume'], env={}, log='resumed.log'),
    ]
    codes = run_stages(stages[:2], tmp_path) + run_stages(stages[2:], tmp_path)
    assert codes == [0, 0, -signal.SIGKILL, 0], (tmp_path / 'one.log').read_text()[-3000:]
    for other in ('two', 'killed'):
        assert_same_weights(tmp_path / 'one' / 'epoch_2.pth', tmp_path / other / 'epoch_2.pth')
    for key, value in weights(tmp_path / 'one' / 'epoch_2.pth').items():
        assert value.isfinite().all(), key
    losses = [entry['loss'] for entry in scalars(tmp_path / 'one') if 'loss' in entry]
    assert losses and np.isfinite(losses).all()
