"""The configs of BYOL, KVMemPred, FGKVMemPred and of mixed methods: what the papers say."""

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config

from mmssl_video.apis.views import view_pipeline
from mmssl_video.settings.checks import check_config
from mmssl_video.settings.names import config_dir

NAMES = sorted(
    path.stem
    for path in config_dir().glob('*.py')
    if path.stem.split('_')[0] in ('byol', 'kvmem', 'fgkvmem', 'mix')
)


def load(name, **options):
    cfg = Config.fromfile(config_dir() / f'{name}.py')
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
    return cfg


def build(cfg):
    with torch.device('meta'):
        return MODELS.build(cfg.model)


def test_the_configs_users_know_are_there():
    assert set(NAMES) >= {
        'byol_r3d18_ucf101',
        'kvmem_r3d18_ucf101',
        'fgkvmem_r3d18_ucf101',
        'fgkvmem_r2plus1d18_ucf101',
        'fgkvmem_r2plus1d18_k400',
        'fgkvmem_r3d18_k400',
        'fgkvmem_slow18_k400',
        'fgkvmem_demo',
        'byol_demo',
        'mix_dpc_kvmem_demo',
        'mix_byol_cmem_demo',
    }


@pytest.mark.parametrize('name', NAMES)
def test_they_are_whole(name):
    cfg = load(name)
    check_config(cfg)
    build(cfg)
    is_byol = cfg.model.type == 'BYOL'
    hooks = [hook['type'] for hook in cfg.custom_hooks]
    assert ('MomentumUpdateHook' in hooks) == is_byol
    assert {'SampleSeedHook', 'TrainingHealthHook'} < set(hooks), 'those of default_runtime.py stay'
    if is_byol:
        window = next(step for step in view_pipeline(cfg, 10) if step.type == 'SampleWindow')
        assert window.num_frames == (8 if 'slow' in name or 'demo' in name else 16)


@pytest.mark.parametrize(
    'name, backbone',
    [
        ('byol_r3d18_ucf101', 33.17),
        ('kvmem_r3d18_ucf101', 33.17),
        ('fgkvmem_r3d18_ucf101', 33.17),
        ('fgkvmem_r2plus1d18_ucf101', 14.37),
        ('fgkvmem_released_r3d18_ucf101', 26.09),
        ('fgkvmem_slow18_k400', 20.02),
    ],
)
def test_parameters(name, backbone):
    model = build(load(name))
    count = sum(p.numel() for p in model.backbone.parameters()) / 1e6
    assert count == pytest.approx(backbone, abs=0.01)
    online = [p for p in model.parameters() if p.requires_grad]
    target = [p for p in model.parameters() if not p.requires_grad]
    assert sum(p.numel() for p in target) == sum(
        p.numel() for part in (model.backbone, model.projector) for p in part.parameters()
    )
    predictors = dict(
        byol=4096 * (256 + 2) + 256 * 4097, kvmem=2 * 4096 * 256 + 256 * (256 * 2 + 3)
    )
    kind = 'byol' if name.startswith('byol') else 'kvmem'
    assert sum(p.numel() for p in model.predictor.parameters()) == predictors[kind]
    assert len(online) > len(list(model.backbone.parameters()))


@pytest.mark.parametrize(
    'name, rate, batch, epochs',
    [
        ('byol_r3d18_ucf101', 1.2, 64, 400),
        ('fgkvmem_r2plus1d18_ucf101', 1.2, 64, 400),
        ('fgkvmem_r3d18_k400', 2.4, 256, 100),
        ('fgkvmem_r2plus1d18_k400', 2.4, 256, 100),
        ('fgkvmem_slow18_k400', 2.4, 256, 100),
    ],
)
def test_section_4_1(name, rate, batch, epochs):
    cfg = load(name)
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('LARS', rate, 1e-4)
    assert cfg.auto_scale_lr.base_batch_size == batch == 8 * cfg.train_dataloader.batch_size
    assert cfg.train_cfg.max_epochs == epochs
    [schedule] = cfg.param_scheduler
    assert schedule.type == 'WarmupCosineLR' and not schedule.warmup
    assert cfg.model.base_momentum == 0.996
    assert cfg.model.backbone.norm_cfg.type == 'SyncBN'
    if 'fgkvmem' in name:
        assert (cfg.model.predictor.scale, cfg.model.predictor.num_slots) == (64, 4096)
        concepts = build(cfg).concepts
        assert concepts.recon_weights == (0.01, 0.01) and concepts.align_weight == 0.01
        assert concepts.online_temperature == concepts.target_temperature == 0.05
        assert (concepts.recon_loss, len(concepts.centre)) == ('l2', 4096)


@pytest.mark.parametrize(
    'key, value, get',
    [
        ('model__predictor__num_slots', 512, lambda m: len(m.predictor.keys)),
        ('model__predictor__scale', 16.0, lambda m: m.predictor.scale),
        ('model__concepts__num_concepts', 1024, lambda m: len(m.concepts.centre)),
        ('model__concepts__online_temperature', 0.1, lambda m: m.concepts.target_temperature),
        ('model__concepts__recon_weight', 0.05, lambda m: m.concepts.recon_weights[1]),
        ('model__concepts__align_weight', 0.002, lambda m: m.concepts.align_weight),
    ],
)
def test_one_key_for_each_row_of_figure_3_and_tables_5_and_6(key, value, get):
    assert get(build(load('fgkvmem_r3d18_ucf101', **{key: value}))) == value


def test_released_settings():
    cfg = load('fgkvmem_released_r3d18_ucf101')
    assert cfg.optim_wrapper.optimizer.nesterov and cfg.optim_wrapper.optimizer.weight_decay == 1e-6
    assert cfg.param_scheduler[0].warmup == 35
    model = build(cfg)
    assert (model.loss_scale, model.predictor.scale) == (2.0, 16.0)
    assert cfg.model.backbone.norm_cfg.type == 'BN'
    clip = next(step for step in cfg.train_dataloader.dataset.pipeline if step.type == 'PerClip')
    assert [step.type for step in clip.transforms][-3:] == [
        'VideoColorJitter',
        'VideoRandomGray',
        'VideoGaussianBlur',
    ]


def test_standard_r2plus1d_by_options():
    cfg = load(
        'fgkvmem_r2plus1d18_ucf101',
        model__backbone__depth=18,
        model__backbone__stem_middle=45,
        model__backbone__factorised_shortcut=False,
    )
    assert sum(p.numel() for p in build(cfg).backbone.parameters()) / 1e6 == pytest.approx(
        33.17, abs=0.01
    )
