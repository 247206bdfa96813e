"""A run that diverges says what to do, and what it says works; with real processes."""

import re

import pytest
import torch

from helpers.tiny_run import assert_same_weights, last_line, make_config, run_stages

LR = 'optim_wrapper.optimizer.lr'
STEPS = """
param_scheduler = [dict(type='MultiStepLR', milestones=[1], gamma=0.1)]
optim_wrapper.update(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.5))))
"""
LONGER = '--cfg-options train_cfg.max_epochs=4'


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """``{case: (exit code, output)}`` and the folder of the runs."""
    folder = tmp_path_factory.mktemp('diverged')
    make_config(folder, extra=STEPS)
    (folder / 'edited.py').write_text(
        "_base_ = 'tiny.py'\noptim_wrapper = dict(optimizer=dict(lr=0.5))\n"
    )
    resume = 'tiny.py --resume healthy/epoch_2.pth'
    cases = {
        'from the start': f'tiny.py --work-dir start --cfg-options {LR}=1e30',
        'healthy': 'tiny.py --work-dir healthy',
        'diverging': f'{resume} --work-dir healthy {LONGER} {LR}=1e30',
        'lower': f'{resume} --work-dir lower {LONGER} {LR}=1e-4',
        'unchanged': f'{resume} --work-dir unchanged {LONGER}',
        'same rate': f'{resume} --work-dir same {LONGER} {LR}=1e-3',
        'edited': f'edited.py --resume healthy/epoch_2.pth --work-dir edited {LONGER}',
        'another optimizer': f'{resume} --work-dir other --cfg-options '
        'optim_wrapper.optimizer.type=SGD',
    }
    stages = [dict(args=args.split(), env={}, log=f'{case}.log') for case, args in cases.items()]
    codes = run_stages(stages, folder)
    outputs = {case: (folder / f'{case}.log').read_text() for case in cases}
    return folder, {case: (code, outputs[case]) for case, code in zip(cases, codes)}


def rates(path):
    groups = torch.load(path, weights_only=True)['optimizer']['param_groups']
    return {round(group['lr'] / 1e-4, 6) for group in groups}


def test_without_a_checkpoint_the_advice_is_to_start_again(runs):
    folder, done = runs
    code, output = done['from the start']
    assert code == 1 and 'Traceback' not in output, output
    assert 'there is no checkpoint from before it diverged' in last_line(output)
    assert not list((folder / 'start').glob('*.pth')), 'of weights that are NaN'


def test_a_lower_rate_is_used_and_said(runs):
    folder, done = runs
    code, output = done['lower']
    assert code == 0, output
    assert f'{LR} is 0.0001 from here on; the checkpoint was trained with 0.001' in output
    # multiplied for the backbone, and dropped by the schedule after epoch 1
    assert rates(folder / 'lower' / 'epoch_4.pth') == {0.1, 0.05}
    assert rates(folder / 'unchanged' / 'epoch_4.pth') == {1.0, 0.5}


def test_a_higher_rate_diverges_and_the_offered_checkpoint_is_whole(runs):
    folder, done = runs
    code, output = done['diverging']
    assert code == 1 and 'Traceback' not in output, output
    advice = re.search(r'--resume (\S+) --cfg-options (\S+)$', last_line(output))
    assert advice, last_line(output)
    offered = torch.load(folder / advice[1], weights_only=True)
    assert offered['meta']['epoch'] == 2
    assert all(value.isfinite().all() for value in offered['state_dict'].values())
    assert advice[2] == f'{LR}=1e+29'
    assert all(
        value.isfinite().all()
        for path in (folder / 'healthy').glob('*.pth')
        for value in torch.load(path, weights_only=True)['state_dict'].values()
    )


def test_the_rate_of_the_checkpoint_changes_nothing(runs):
    folder, done = runs
    assert done['same rate'][0] == done['unchanged'][0] == 0
    assert_same_weights(folder / 'same' / 'epoch_4.pth', folder / 'unchanged' / 'epoch_4.pth')


def test_an_edited_file_is_pointed_out_and_changes_nothing(runs):
    folder, done = runs
    code, output = done['edited']
    assert code == 0, output
    assert f'trained with {LR}=0.001, which goes on, though the config says 0.5' in output
    assert_same_weights(folder / 'edited' / 'epoch_4.pth', folder / 'unchanged' / 'epoch_4.pth')


def test_another_optimizer_is_refused(runs):
    code, output = runs[1]['another optimizer']
    assert code == 1 and 'Traceback' not in output, output
    assert 'was trained with the optimizer Adam' in last_line(output)
