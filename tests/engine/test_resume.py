"""Kills and resumes, with real processes: nothing is lost and nothing differs."""

import re
import signal

import pytest
import torch

from helpers.tiny_run import assert_same_weights, make_config, run_stages, scalars

pytestmark = pytest.mark.compat

# A plateau scheduler that drops at the second validation already, a curriculum, and dropout.
EXTRA = """
custom_imports = dict(imports=['mmssl_video', 'helpers.kill_hook'], allow_failed_imports=False)
custom_hooks = [*_base_.custom_hooks, dict(type='KillHook'),
                dict(type='PredictionStepsHook', schedule={0: 2, 2: 1})]
train_cfg.update(max_epochs=4)
param_scheduler = [dict(type='ReduceOnPlateauLR', monitor='ssl/loss', rule='less', factor=0.1,
                        patience=0, threshold=0.99, min_value=1e-4)]
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1, save_best='ssl/loss', rule='greater'))
"""


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Work dirs of an uninterrupted run and of one killed three times, and its exit codes."""
    folder = tmp_path_factory.mktemp('resume')
    config = str(make_config(folder, extra=EXTRA))
    kills = ['train:1:1', 'val:1', 'write:epoch_3.pth', 'write:last_checkpoint', '']
    stages = [dict(args=[config, '--work-dir', 'straight'], env={}, log='straight.log')]
    for number, moment in enumerate(kills):
        args = [config, '--work-dir', 'killed', *(['--resume'] if number else [])]
        stages.append(dict(args=args, env=dict(MMSSL_TEST_KILL=moment), log=f'killed{number}.log'))
    codes = run_stages(stages, folder)
    return folder, dict(zip(['straight', *kills], codes))


def test_each_stage_ends_as_meant(runs):
    folder, codes = runs
    for name, code in codes.items():
        expected = 0 if name in ('straight', '') else -signal.SIGKILL
        assert code == expected, f'{name!r} ended with {code}; see the logs in {folder}'


def test_killed_and_resumed_run_is_bit_identical(runs):
    folder, _ = runs
    assert_same_weights(folder / 'straight' / 'epoch_4.pth', folder / 'killed' / 'epoch_4.pth')
    one, two = (
        torch.load(folder / name / 'epoch_4.pth', weights_only=True)
        for name in ('straight', 'killed')
    )
    for key, state in one['optimizer']['state'].items():
        assert torch.equal(state['exp_avg'], two['optimizer']['state'][key]['exp_avg'])
    assert one['param_schedulers'] == two['param_schedulers']


def test_resume_continues_and_does_not_start_again(runs):
    folder, _ = runs
    log = (folder / 'killed1.log').read_text()
    assert 'resumed epoch: 1' in log
    assert 'Epoch(train) [1]' not in log


def test_validation_lost_to_a_kill_is_made_up_for(runs):
    """Killed in the validation of epoch 2: the resumed run validates before it trains on."""
    folder, _ = runs
    log = (folder / 'killed2.log').read_text()
    assert 'saved before its validation, which runs now' in log
    assert log.index('Epoch(val) [2]') < log.index('Epoch(train) [3]')


def test_learning_rate_drops_once_and_stays(runs):
    folder, _ = runs
    for name in ('straight', 'killed'):
        rate = {entry['epoch']: entry['lr'] for entry in scalars(folder / name) if 'lr' in entry}
        assert rate == {1: 1e-3, 2: 1e-3, 3: pytest.approx(1e-4), 4: pytest.approx(1e-4)}, name


def test_curriculum_is_right_after_resume(runs):
    """2 x 4 places, less one: negatives of 2 predicted steps, then of 1 (4 clips, 1 place)."""
    folder, _ = runs
    for name in ('straight', 'killed'):
        counts = {
            entry['epoch']: entry['num_negatives']
            for entry in scalars(folder / name)
            if 'num_negatives' in entry
        }
        assert counts == {1: 7, 2: 7, 3: 3, 4: 3}, name


def test_kill_while_saving_leaves_the_former_checkpoint(runs):
    """Stage 3 dies half way in writing epoch_3.pth, with max_keep_ckpts=1."""
    folder, _ = runs
    assert 'resumed epoch: 2' in (folder / 'killed3.log').read_text()
    assert re.search(
        r'Removed \.epoch_3\.pth\.\w+\.partial: its writing', (folder / 'killed3.log').read_text()
    )


def test_kill_while_noting_the_last_checkpoint(runs):
    """Stage 4 dies in writing `last_checkpoint`, after epoch_3.pth: the former note still holds."""
    folder, _ = runs
    assert 'resumed epoch: 2' in (folder / 'killed4.log').read_text()


def test_only_the_wanted_files_remain(runs):
    folder, _ = runs
    for name in ('straight', 'killed'):
        files = sorted(path.name for path in (folder / name).glob('*.pth'))
        assert files[-1] == 'epoch_4.pth' and len(files) == 2, files
        assert files[0].startswith('best_ssl_loss_epoch_')
        assert not list((folder / name).glob('.*.partial'))
        assert (folder / name / 'last_checkpoint').read_text().endswith('epoch_4.pth')
