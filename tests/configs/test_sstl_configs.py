"""SSTL's configs: rows of Tables 4 and 5, what one key changes, and mixes with other methods."""

import numpy as np
import pytest
from mmaction.registry import DATASETS, MODELS

from helpers.configs import build, flat_steps, load
from helpers.videos import numbered_frames, write_video
from mmssl_video.datasets import VideoListDataset
from mmssl_video.datasets.pipelines import pipeline_of
from mmssl_video.datasets.views import test_pipeline, view_of
from mmssl_video.settings.names import find_config


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sstl')
    for name in ('a', 'b'):
        write_video(folder / f'{name}.mp4', numbered_frames(150, (72, 96)))
    (folder / 'list.txt').write_text('a.mp4 0\nb.mp4 1\n')
    return folder


def with_videos(name, videos):
    cfg = load(name)
    cfg.train_dataloader.dataset.update(
        ann_file=str(videos / 'list.txt'), data_prefix=dict(video=str(videos))
    )
    return cfg, DATASETS.build(cfg.train_dataloader.dataset)


# e, dropped, rate distortion, rate head (Table 4); cells, negatives, clip-to-video (Table 5)
ROWS = {
    'sstl_k400': (12, 4, True, True, 2, 2048, True),
    'sstl_ucf101': (12, 4, True, True, 2, 2048, True),
    'sstl_notemp_k400': (0, 0, False, False, 2, 2048, True),
    'sstl_crop8_k400': (8, 0, False, False, 2, 2048, True),
    'sstl_drop4_k400': (12, 4, False, False, 2, 2048, True),
    'sstl_drop6_k400': (16, 6, False, False, 2, 2048, True),
    'sstl_bank_k400': (12, 4, True, False, 2, 2048, True),
    'sstl_commonbank_k400': (12, 4, True, False, 1, 2048, False),
}


@pytest.mark.parametrize('name', ROWS)
def test_rows_of_the_tables(videos, name):
    extra, dropped, distorted, predicted, cells, negatives, to_video = ROWS[name]
    cfg, dataset = with_videos(name, videos)
    steps = {step.type: step for step in pipeline_of(cfg.train_dataloader)}
    assert (steps['SampleWindow'].num_frames, steps['SampleWindow'].stride) == (16 + extra, 1)
    assert steps.get('TemporalRandomDropout', dict(num_dropped=0))['num_dropped'] == dropped
    assert ('PlaybackRateDistortion' in steps) == distorted
    model = build(cfg)
    assert (model.rate_head is not None) == predicted
    assert (model.bank.num_cells, model.losses['clip'].num_negatives) == (cells, negatives)
    assert ('video' in model.losses) == to_video
    assert not to_video or model.losses['video'].weight == 0.2
    sample = dataset[0]
    assert sample['inputs'].shape == (2, 3, 16, 112, 112)
    info = sample['data_samples'].metainfo
    assert info['sample_idx'] == 0 and info['temporal_position'].shape == (2,)
    assert ('playback_rate' in info) == distorted


@pytest.mark.parametrize(
    'name, key, value, check',
    [
        ('sstl_k400', 'model.losses.rate.weight', 0, lambda m: m.rate_head is None),
        (
            'sstl_bank_k400',
            'model.losses.video',
            None,
            lambda m: 'video' not in m.losses and m.bank,
        ),
        ('sstl_commonbank_k400', 'model.losses.clip.num_negatives', 0, lambda m: m.bank is None),
        (
            'sstl_commonbank_k400',
            'model.losses.clip.num_negatives',
            4096,
            lambda m: m.losses['clip'].num_negatives == 4096,
        ),
        ('sstl_k400', 'model.bank.num_cells', 4, lambda m: m.bank.num_cells == 4),
        ('sstl_k400', 'model.bank.strategy', 'own', lambda m: m.bank.strategy == 'own'),
    ],
)
def test_rows_by_one_key(name, key, value, check):
    assert check(build(load(name, **{key: value})))


def test_no_colour_jitter_by_the_key_its_comment_names():
    option = 'train_dataloader.dataset.pipeline.views.transforms.jitter=None'
    assert option in find_config('sstl_notemp_k400').read_text()
    key, _ = option.split('=')
    plain = [load('sstl_notemp_k400', **changes) for changes in ({}, {key: None})]
    before, after = (
        [step.type for step in flat_steps(pipeline_of(cfg.train_dataloader))] for cfg in plain
    )
    assert after == [kind for kind in before if kind != 'VideoColorJitter']
    assert len(after) == len(before) - 1


def test_schedule_of_the_paper():
    cfg = load('sstl_k400')
    assert dict(cfg.optim_wrapper.optimizer) == dict(
        type='SGD', lr=2.0, momentum=0.9, weight_decay=1e-6
    )
    assert cfg.auto_scale_lr.base_batch_size == 2048 and cfg.train_cfg.max_epochs == 300
    assert not cfg.auto_scale_lr.get('enable')
    assert any(hook.type == 'MethodHook' for hook in cfg.custom_hooks)
    model = build(cfg)
    assert round(sum(p.numel() for p in model.backbone.parameters()) / 1e6, 2) == 33.17


@pytest.mark.parametrize(
    'name, shape',
    [
        ('sstl_demo', (2, 3, 8, 64, 64)),
        ('sstl_notemp_demo', (2, 3, 8, 64, 64)),
        ('mix_sstl_memdpc_demo', (8, 3, 5, 64, 64)),
        ('mix_sstl_fgkv_demo', (2, 3, 8, 64, 64)),
    ],
)
def test_demos_and_mixes_train(videos, name, shape):
    cfg, dataset = with_videos(name, videos)
    samples = [dataset[i] for i in (0, 1)]
    assert all(sample['inputs'].shape == shape for sample in samples)
    model = MODELS.build(cfg.model).train()
    if name.startswith('sstl'):
        model.bank.set_videos(2)
    data = model.data_preprocessor(
        dict(
            inputs=[sample['inputs'] for sample in samples],
            data_samples=[sample['data_samples'] for sample in samples],
        ),
        training=True,
    )
    losses = model.loss(data['inputs'], data['data_samples'])
    total = sum(value for key, value in losses.items() if 'loss' in key)
    total.backward()
    assert np.isfinite(total.item()) and model.backbone.conv1.weight.grad.any()


@pytest.mark.parametrize(
    'name, frames',
    [('sstl_k400', 16), ('sstl_demo', 8), ('mix_sstl_memdpc_demo', 40), ('mix_sstl_fgkv_demo', 8)],
)
def test_evaluation_sees_as_many_frames_as_the_encoder(videos, name, frames):
    pipeline = test_pipeline(view_of(load(name)), num_windows=2)
    assert pipeline['sample'].num_frames == frames
    assert not any(
        'Temporal' in step.type or step.type == 'RepeatClips' for step in pipeline.values()
    )
    data = VideoListDataset(
        ann_file=str(videos / 'list.txt'),
        pipeline=pipeline,
        test_mode=True,
        data_prefix=dict(video=str(videos)),
    )
    inputs = data[0]['inputs']
    assert inputs.shape[0] * inputs.shape[2] == 2 * frames
