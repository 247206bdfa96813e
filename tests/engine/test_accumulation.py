"""Accumulated gradients: bit-identical resume, and the rates of the whole batch."""

import signal

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from helpers.tiny_run import assert_same_weights, make_config, run_stages
from mmssl_video.engine.hooks import AccumulatedStepsHook, MethodHook
from mmssl_video.engine.schedulers import WarmupCosineLR

# 3 iterations an epoch, 2 for a step; a rate by iterations; momentum targets follow the steps
EXTRA = """
custom_imports = dict(imports=['mmssl_video', 'helpers.kill_hook'], allow_failed_imports=False)
custom_hooks = [*_base_.custom_hooks, dict(type='KillHook')]
train_cfg.update(max_epochs=3)
optim_wrapper.update(accumulative_counts=2)
param_scheduler = [dict(type='WarmupCosineLR', warmup=1, convert_to_iter_based=True)]
model.update(target='momentum', base_momentum=0.9)
"""


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp('accumulated')
    config = str(make_config(folder, num_train=12, extra=EXTRA))
    kills = ['train:1:1', 'train:2:0', '']
    stages = [dict(args=[config, '--work-dir', 'straight'], env={}, log='straight.log')]
    for number, moment in enumerate(kills):
        args = [config, '--work-dir', 'killed', *(['--resume'] if number else [])]
        stages.append(dict(args=args, env=dict(MMSSL_TEST_KILL=moment), log=f'killed{number}.log'))
    codes = run_stages(stages, folder)
    assert codes == [0, -signal.SIGKILL, -signal.SIGKILL, 0], (folder / 'straight.log').read_text()
    return folder


def test_a_resumed_run_is_bit_identical_though_the_count_does_not_divide_the_epoch(runs):
    assert_same_weights(runs / 'straight' / 'epoch_3.pth', runs / 'killed' / 'epoch_3.pth')
    one, two = (
        torch.load(runs / name / 'epoch_3.pth', weights_only=True)
        for name in ('straight', 'killed')
    )
    for key, state in one['optimizer']['state'].items():
        assert torch.equal(state['exp_avg'], two['optimizer']['state'][key]['exp_avg'])
    assert one['param_schedulers'] == two['param_schedulers']


def test_the_rest_of_an_epoch_is_a_step_of_its_own(runs):
    checkpoint = torch.load(runs / 'straight' / 'epoch_1.pth', weights_only=True)
    assert {int(state['step']) for state in checkpoint['optimizer']['state'].values()} == {2}
    assert 'no gradient is lost' in (runs / 'killed1.log').read_text()


class Loop:
    """What hooks ask of a run: some epochs of so many iterations."""

    max_epochs = 3

    def __init__(self, iterations, counts):
        torch.manual_seed(0)
        self.model = nn.Linear(3, 1, bias=False)
        optimizer = torch.optim.SGD(self.model.parameters(), lr=1.0)
        self.optim_wrapper = OptimWrapper(optimizer, accumulative_counts=counts)
        self.train_dataloader = range(iterations)
        self.max_iters = self.max_epochs * iterations
        self.param_schedulers = [
            WarmupCosineLR.build_iter_from_epoch(
                optimizer=self.optim_wrapper,
                total=self.max_epochs,
                warmup=1,
                start_lr=0.1,
                epoch_length=iterations,
            )
        ]
        self.iter = 0

    def run(self, clips):
        """Train on the clips of each epoch; the rates and the progress at each step."""
        hook, rates, progress = AccumulatedStepsHook(), [], []
        hook._waiting = 0
        for _ in range(self.max_epochs):
            hook.before_train_epoch(self)
            for index, batch in enumerate(clips):
                rate = self.optim_wrapper.param_groups[0]['lr']
                self.optim_wrapper.update_params(self.model(batch).square().mean())
                if self.optim_wrapper.should_update():
                    rates.append(rate)
                    progress.append(MethodHook._progress(self, self.iter))
                hook.after_train_iter(self, index)
                self.iter += 1
        return rates, progress


def test_two_of_four_clips_are_one_of_eight():
    torch.manual_seed(1)
    clips = torch.randn(40, 3)
    whole, parts = Loop(5, 1), Loop(10, 2)
    assert whole.run(clips.split(8)) == parts.run(clips.split(4))
    torch.testing.assert_close(whole.model.weight, parts.model.weight)


@pytest.mark.parametrize(('iterations', 'counts', 'steps'), [(5, 2, 3), (3, 4, 1), (4, 4, 1)])
def test_every_epoch_ends_with_a_step(iterations, counts, steps):
    rates, progress = Loop(iterations, counts).run(torch.randn(iterations, 1, 3))
    assert len(rates) == 3 * steps
    assert progress[steps] == 1 / 3, 'the first step of an epoch begins with the epoch'
