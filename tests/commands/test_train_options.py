"""What the options of train.py make of the config."""

import importlib.util

import pytest
import torch
from mmengine.config import Config

from mmssl_video.apis import training
from mmssl_video.commands import train as command
from mmssl_video.settings.start import last_checkpoint


@pytest.fixture
def config_of(monkeypatch, tiny_config):
    """The config, resume and launcher that ``train.py tiny.py ARGUMENTS`` would train with."""
    taken = {}
    monkeypatch.setattr(command, 'train', lambda cfg, **rest: taken.update(cfg=cfg, **rest))

    def parse(*arguments):
        command.main([str(tiny_config), *arguments])
        return taken

    return parse


def test_defaults(config_of):
    taken = config_of()
    assert taken['cfg'].work_dir == 'work_dirs/tiny'
    assert taken['cfg'].randomness == dict(seed=0)
    assert (taken['resume'], taken['launcher']) == (None, 'none')


def test_options(config_of):
    taken = config_of(
        '--work-dir',
        'x',
        '--seed',
        '7',
        '--deterministic',
        '--resume',
        '--launcher',
        'slurm',
        '--cfg-options',
        'model.pred_steps=1',
        'train_dataloader.dataset.pipeline.1.stride=2',
    )
    cfg = taken['cfg']
    assert cfg.work_dir == 'x' and cfg.randomness == dict(seed=7, deterministic=True)
    assert cfg.model.pred_steps == 1
    assert cfg.train_dataloader.dataset.pipeline[1].stride == 2
    assert (taken['resume'], taken['launcher']) == ('auto', 'slurm')
    assert config_of('--resume', 'a.pth')['resume'] == 'a.pth'


def test_options_may_be_dicts(config_of):
    """mmengine's own reader recurses without end on them; the schedule's head shows this one."""
    schedule = dict(type='MultiStepLR', milestones=[300], gamma=0.1)
    cfg = config_of(
        '--cfg-options',
        "param_scheduler=[dict(type='MultiStepLR', milestones=[300], gamma=0.1)]",
        'model.backbone.depth=34',
    )['cfg']
    assert cfg.param_scheduler == [schedule]
    assert cfg.model.backbone.depth == 34


def test_options_for_a_copied_pipeline_are_pointed_out(config_of, capsys):
    config_of('--cfg-options', 'val_pipeline.1.stride=2', 'train_dataloader.num_workers=0')
    printed = ''.join(capsys.readouterr()).strip()
    assert printed.endswith(
        '--cfg-options val_pipeline.1.stride changes nothing: the data loaders '
        'hold copies of val_pipeline; set '
        'val_dataloader.dataset.pipeline.1.stride'
    )
    assert '\n' not in printed


def test_options_of_nested_dicts_and_lists(config_of):
    cfg = config_of(
        '--cfg-options',
        "model.backbone=dict(_delete_=True,type='A')",
        'custom_keys=["new"]',
        'new.key=1',
        'train_dataloader.dataset.pipeline.1=dict(stride=5)',
    )['cfg']
    assert cfg.model.backbone == dict(type='A') and cfg.new.key == 1
    assert cfg.train_dataloader.dataset.pipeline[1].stride == 5
    assert cfg.train_dataloader.dataset.pipeline[1].type == 'SampleWindow'


@pytest.mark.parametrize('number', ['-1', '1.5', 'x', str(2**32)])
def test_seeds_are_whole_numbers(config_of, number, capsys):
    with pytest.raises(SystemExit):
        config_of('--seed', number)
    assert f'must be a whole number from 0 to 4294967295, not {number!r}' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('has_gpu', 'kind'), [(True, 'AmpOptimWrapper'), (False, 'CPUAmpOptimWrapper')]
)
def test_amp(config_of, monkeypatch, has_gpu, kind):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: has_gpu)
    cfg = config_of('--amp', '--cfg-options', 'optim_wrapper.clip_grad.max_norm=1')['cfg']
    wrapper = cfg.optim_wrapper
    assert wrapper.type == kind and wrapper.clip_grad == dict(max_norm=1)
    assert wrapper.get('loss_scale') == ('dynamic' if has_gpu else None)
    assert [hook.type for hook in cfg.custom_hooks].count('AmpGradientCheckHook') == 1
    before = [hook.type for hook in config_of()['cfg'].custom_hooks]
    assert 'AmpGradientCheckHook' not in before and len(cfg.custom_hooks) == len(before) + 1


def test_auto_scale_lr(config_of):
    cfg = config_of('--auto-scale-lr', '--cfg-options', 'auto_scale_lr.base_batch_size=64')['cfg']
    assert cfg.auto_scale_lr == dict(base_batch_size=64, enable=True)


def test_tensorboard_is_left_out_where_it_is_missing(monkeypatch):
    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    real = importlib.util.find_spec
    for missing in (False, True):
        monkeypatch.setattr(
            importlib.util,
            'find_spec',
            lambda name, missing=missing: (
                None if (missing and name == 'tensorboard') else real(name) or object()
            ),
        )
        cfg = Config(dict(visualizer=dict(vis_backends=backends)))
        training._drop_missing_tensorboard(cfg)
        assert len(cfg.visualizer.vis_backends) == (1 if missing else 2)


def test_last_checkpoint_of_a_moved_work_dir(tmp_path):
    (tmp_path / 'epoch_3.pth').touch()
    assert last_checkpoint(tmp_path) is None
    (tmp_path / 'last_checkpoint').write_text('/before/it/was/moved/epoch_3.pth\n')
    assert last_checkpoint(tmp_path) == str(tmp_path / 'epoch_3.pth')
