"""The configs of BYOL, KVMemPred, FGKVMemPred and of mixed methods: what the papers say."""

import pytest

from helpers.configs import PRETRAININGS, build, load, read
from mmssl_video.datasets.pipelines import steps_of
from mmssl_video.datasets.views import test_pipeline, view_of

NAMES = [name for name in PRETRAININGS if read(name).model.type == 'BYOL']


@pytest.mark.parametrize('name', NAMES)
def test_evaluation_sees_as_many_frames_as_the_encoder(name):
    window = test_pipeline(view_of(load(name)), 10)['sample']
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
        model = build(cfg)
        recon, align = model.losses['reconstruction'], model.losses['alignment']
        assert recon.weight == 0.01 and recon.shares == (1.0, 1.0) and align.weight == 0.01
        assert align.online_temperature == align.target_temperature == 0.05
        assert (recon.distance, len(model.concepts.centre)) == ('l2', 4096)


@pytest.mark.parametrize(
    'key, value, get',
    [
        ('model.predictor.num_slots', 512, lambda m: len(m.predictor.keys)),
        ('model.predictor.scale', 16.0, lambda m: m.predictor.scale),
        ('model.concepts.num_concepts', 1024, lambda m: len(m.concepts.centre)),
        (
            'model.losses.alignment.online_temperature',
            0.1,
            lambda m: m.losses['alignment'].target_temperature,
        ),
        (
            'model.losses.reconstruction.weight',
            0.05,
            lambda m: m.losses['reconstruction'].weight,
        ),
        ('model.losses.alignment.weight', 0.002, lambda m: m.losses['alignment'].weight),
    ],
)
def test_one_key_for_each_row_of_figure_3_and_tables_5_and_6(key, value, get):
    assert get(build(load('fgkvmem_r3d18_ucf101', **{key: value}))) == value


def test_released_settings():
    cfg = load('fgkvmem_released_r3d18_ucf101')
    assert cfg.optim_wrapper.optimizer.nesterov and cfg.optim_wrapper.optimizer.weight_decay == 1e-6
    assert cfg.param_scheduler[0].warmup == 35
    model = build(cfg)
    assert (model.losses['prediction'].weight, model.predictor.scale) == (2.0, 16.0)
    assert cfg.model.backbone.norm_cfg.type == 'BN'
    pipeline = cfg.train_dataloader.dataset.pipeline
    assert pipeline.sample.type == 'SampleTimedWindow'
    assert [step.type for step in steps_of(pipeline.views.transforms)][-3:] == [
        'VideoColorJitter',
        'VideoRandomGray',
        'VideoGaussianBlur',
    ]


def test_standard_r2plus1d_by_options():
    cfg = load(
        'fgkvmem_r2plus1d18_ucf101',
        **{
            'model.backbone.depth': 18,
            'model.backbone.stem_middle': 45,
            'model.backbone.factorised_shortcut': False,
        },
    )
    assert sum(p.numel() for p in build(cfg).backbone.parameters()) / 1e6 == pytest.approx(
        33.17, abs=0.01
    )
