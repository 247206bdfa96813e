"""Feature levels of any recognizer: ours, and those of mmaction2 with their own checkpoints."""

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from torch import nn

from helpers.flow_videos import write_moving_video
from mmssl_video.apis import Encoder, build_encoder, extract_features, run_evaluation
from mmssl_video.apis.features import extract_many
from mmssl_video.apis.untrained import random_twins
from mmssl_video.datasets.flow_extraction import extract_flow
from mmssl_video.datasets.guarded import build_dataset
from mmssl_video.datasets.views import test_pipeline, view_of
from mmssl_video.datasets.windows import as_windows
from mmssl_video.evaluation.baselines import BASELINES
from mmssl_video.results.result_files import load_result_file

LEVELS = ('context', 'backbone', 'block')
SLOW_ONLY = dict(
    type='Recognizer3D',
    backbone=dict(
        type='ResNet3dSlowOnly',
        depth=18,
        pretrained='https://nowhere/resnet18.pth',
        base_channels=4,
        in_channels=3,
        conv1_kernel=(1, 7, 7),
        inflate=(0, 0, 1, 1),
        norm_eval=False,
        norm_cfg=dict(type='BN3d'),
    ),
    cls_head=dict(type='I3DHead', in_channels=32, num_classes=3),
    data_preprocessor=dict(
        type='ActionDataPreprocessor', mean=[114.75] * 3, std=[57.38] * 3, format_shape='NCTHW'
    ),
)
TSN = dict(
    type='Recognizer2D',
    backbone=dict(type='ResNet', depth=18, norm_cfg=dict(type='BN')),
    cls_head=dict(
        type='TSNHead', in_channels=512, num_classes=3, consensus=dict(type='AvgConsensus', dim=1)
    ),
    data_preprocessor=dict(
        type='ActionDataPreprocessor', mean=[114.75] * 3, std=[57.38] * 3, format_shape='NCHW'
    ),
)
# As mmaction2's configs have it.
THEIR_PIPELINE = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=4, frame_interval=2, num_clips=1),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 256)),
    dict(type='RandomResizedCrop'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]


def raw(*shape, seed=0):
    return torch.randint(
        0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8
    )


def save(model_config, path, pipeline=THEIR_PIPELINE, plain=False):
    """A checkpoint as mmaction2's training writes it, or a plain state dict."""
    config = Config(
        dict(
            model=model_config,
            train_dataloader=dict(
                dataset=dict(type='VideoDataset', ann_file='x.txt', pipeline=pipeline)
            ),
        )
    )
    torch.manual_seed(1)
    model_config = dict(
        model_config,
        backbone=dict(
            model_config['backbone'],
            **(dict(pretrained=None) if 'pretrained' in model_config['backbone'] else {}),
        ),
    )
    model = MODELS.build(model_config)
    for name, buffer in model.named_buffers():
        if name.endswith('running_var'):
            buffer.uniform_(0.5, 1.5)
    state = model.state_dict()
    torch.save(state if plain else dict(meta=dict(cfg=config.pretty_text), state_dict=state), path)
    return config, model.eval()


def test_levels_of_a_block_encoder_by_hand(probe_set):
    encoder = build_encoder(probe_set.checkpoint)
    inputs = raw(3, 4, 3, 2, 32, 32)
    found = encoder.extract_levels(inputs, LEVELS)
    data = encoder.data_preprocessor(dict(inputs=list(inputs), data_samples=None))['inputs']
    with torch.no_grad():
        maps = encoder.model.backbone(data.flatten(0, 1)).mean((2, 3, 4)).unflatten(0, (3, 4))
        assert torch.allclose(found['backbone'], maps.mean(1), atol=1e-6)
        assert torch.allclose(found['block'], maps[:, 2], atol=1e-6)
        assert torch.equal(found['context'], encoder.model.extract_feat(data))
    assert torch.equal(encoder.extract(inputs), found['context'])
    assert not encoder.model.backbone._forward_hooks


def test_a_3d_recognizer_of_mmaction2(tmp_path):
    config, model = save(SLOW_ONLY, tmp_path / 'slowonly.pth')
    inputs = raw(2, 1, 3, 4, 32, 32)
    with torch.no_grad():
        data = model.data_preprocessor(dict(inputs=list(inputs), data_samples=None))['inputs']
        maps = model.backbone(data.flatten(0, 1))
    assert maps.ndim == 5
    encoder = build_encoder(tmp_path / 'slowonly.pth')
    found = encoder.extract_levels(inputs, LEVELS)
    for level in LEVELS:
        assert torch.allclose(found[level], maps.mean((2, 3, 4)), atol=1e-5)
    save(SLOW_ONLY, tmp_path / 'plain.pth', plain=True)
    plain = build_encoder(tmp_path / 'plain.pth', config)
    assert torch.equal(plain.extract(inputs), encoder.extract(inputs))
    # N clips of a sample are averaged: what our clip encoders do in extract_feat
    several = raw(2, 3, 3, 4, 32, 32)
    each = torch.stack([encoder.extract(several[:, i : i + 1]) for i in range(3)], 1)
    assert torch.allclose(encoder.extract(several), each.mean(1), atol=1e-5)
    assert torch.allclose(
        encoder.extract_levels(several, ['block'])['block'], each[:, 1], atol=1e-5
    )


def test_a_2d_recognizer_of_mmaction2():
    encoder = Encoder(MODELS.build(TSN), Config(dict(model=TSN)), 'tsn')
    sample = raw(5, 3, 32, 32)
    windows = as_windows(sample, 1)
    assert windows.shape == (1, 5, 3, 32, 32)
    found = encoder.extract_levels(windows, ('context', 'block'))
    with torch.no_grad():
        data = encoder.data_preprocessor(dict(inputs=[sample], data_samples=None))['inputs']
        rows = encoder.model.backbone(data[0]).mean((2, 3))
    assert torch.allclose(found['context'][0], rows.mean(0), atol=1e-4)
    assert torch.allclose(found['block'][0], rows[2], atol=1e-4)


@pytest.mark.parametrize('own', [True, False])
def test_probing_mmaction2_end_to_end(probe_set, tmp_path, capsys, own):
    """Its config and checkpoint, our pipeline: of the config's frames, or one given."""
    save(SLOW_ONLY, tmp_path / 'slowonly.pth')
    cfg = Config.fromfile(probe_set.config)
    cfg.evaluation.protocol = [
        dict(type='knn/cosine', k=3),
        dict(type='retrieval/context-mean-cosine', feature='backbone', ks=(1,)),
    ]
    for role in ('gallery', 'query'):
        dataset = cfg.evaluation[role].dataset
        dataset.pipeline = [step for step in dataset.pipeline if step.type != 'SplitBlocks']
        if not own:
            dataset.pop('pipeline')
    found = run_evaluation(cfg, str(tmp_path / 'slowonly.pth'), progress=False)
    subjects = [r['subject'] for r in found if r['protocol'] == 'knn/cosine']
    # what the config would download is left out of the random encoder
    assert subjects[-3:] == ['random', 'random, BN calibrated', 'slowonly.pth']
    frames = '8 frames at stride 1' if own else '4 frames at stride 2'
    assert f'sliding windows of {frames}, CenterCrop 32' in found[-1]['views']
    folder = extract_features(
        build_encoder(tmp_path / 'slowonly.pth'),
        probe_set.videos,
        num_windows=2,
        clips='each',
        progress=False,
    )
    assert folder.features.shape == (40, 32) and folder.counts.tolist() == [2] * 20


def test_a_2d_network_end_to_end(probe_set):
    cfg = Config.fromfile(probe_set.config)
    cfg.evaluation.protocol = dict(type='knn/cosine', k=3)
    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=1, num_clips=4, test_mode=True),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(32, 32), keep_ratio=False),
        dict(type='FormatShape', input_format='NCHW'),
        dict(type='PackActionInputs'),
    ]
    for role in ('gallery', 'query'):
        cfg.evaluation[role].dataset.pipeline = pipeline
    encoder = Encoder(MODELS.build(TSN), Config(dict(model=TSN)), 'tsn')
    found = run_evaluation(cfg, encoder, progress=False)
    assert [r['subject'] for r in found][1:5] == [
        'length, aspect',
        'first frame',
        'motion over time',
        'motion map',
    ]
    assert '4 clips of 1 frames' in found[0]['views'] and view_of(pipeline).num_views == 1


class Twice(nn.Module):
    """Runs its backbone once for each half of a batch."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Flatten(2)
        self.data_preprocessor = lambda data, training: dict(
            inputs=torch.stack(data['inputs']).float()
        )

    def extract_feat(self, inputs):
        return torch.cat([self.backbone(half) for half in inputs.chunk(2)]).mean(2)


def test_levels_an_encoder_does_not_have():
    encoder = Encoder(Twice(), Config(), 'twice')
    inputs = raw(2, 3, 1, 2, 4, 4)
    assert encoder.extract(inputs[:, 0]).shape == (2, 1)
    with pytest.raises(
        ValueError,
        match='twice has no feature level block: extract_feat of Twice runs its backbone 2 times',
    ):
        encoder.extract_levels(inputs, ['block'])
    del encoder.model.backbone
    with pytest.raises(ValueError, match='no feature level block: a Twice has no backbone'):
        encoder.extract_levels(inputs, ['block'])
    with pytest.raises(ValueError, match='feature must be one of context, backbone, block'):
        extract_features(encoder, [], feature='logits')


def test_a_projection_head_without_weights_is_none(tmp_path):
    """Of a checkpoint that holds an encoder alone, random projections must not be judged."""
    model = dict(
        type='BYOL',
        backbone=dict(type='VideoResNet', kind='r3d', base_channels=4),
        projector=dict(type='ProjectionMLP', in_channels=32, hidden_channels=8, out_channels=4),
        predictor=dict(type='MLPPredictor', in_channels=4, out_channels=4),
    )
    _, byol = save(model, tmp_path / 'whole.pth')
    contents = torch.load(tmp_path / 'whole.pth', weights_only=False)
    inputs = raw(2, 1, 3, 4, 32, 32)
    found = build_encoder(tmp_path / 'whole.pth').extract_levels(inputs, ['projection', 'backbone'])
    with torch.no_grad():
        assert torch.equal(found['projection'], byol.projector(found['backbone']))
    contents['state_dict'] = {
        key: value for key, value in contents['state_dict'].items() if key.startswith('backbone.')
    }
    torch.save(contents, tmp_path / 'encoder.pth')
    encoder = build_encoder(tmp_path / 'encoder.pth')
    assert torch.equal(encoder.extract_levels(inputs, ['backbone'])['backbone'], found['backbone'])
    with pytest.raises(ValueError, match='no feature level projection: its BYOL has no projector'):
        encoder.extract_levels(inputs, ['projection'])


def test_random_twins(probe_set, capsys):
    trained = build_encoder(probe_set.checkpoint)
    as_is, calibrated = random_twins(
        [trained, build_encoder(probe_set.checkpoint, name='again')], seed=2
    )
    assert (as_is.name, as_is.seed, as_is.bn_batches) == ('random', 2, 0)
    assert calibrated.bn_batches is None  # until it is
    by_name = build_encoder('random', probe_set.pretraining, seed=2)
    inputs = raw(2, 4, 3, 2, 32, 32)
    assert torch.equal(as_is.extract(inputs), by_name.extract(inputs))
    assert random_twins([trained, by_name]) == []
    other = Config.fromfile(probe_set.pretraining)
    other.model.backbone.track_running_stats = False
    names = [
        twin.name
        for twin in random_twins([trained, Encoder(MODELS.build(other.model), other, 'untracked')])
    ]
    assert names == ['random', 'random', 'random (as untracked)']
    capsys.readouterr()
    assert random_twins([Encoder(trained.model, Config(), 'mine')]) == []
    assert 'no random encoder beside mine: its config has no model' in capsys.readouterr().out


def test_view_pipelines(probe_set):
    view = view_of(Config.fromfile(probe_set.pretraining))
    crops = test_pipeline(view, num_windows=10, crops='three', flip=True, crop_share=0.8)
    assert dict(crops['resize']) == dict(type='Resize', scale=(-1, 40))
    assert dict(crops['crop']) == dict(type='MultiCrop', crop_size=32, crops='three', flip=True)
    assert view_of(crops).sentence == (
        '10 uniform windows of 8 frames at stride 1, 4 blocks, three crops of 32 out of 40 and '
        'their mirror images, mean over views'
    )
    assert view_of(crops).num_views == 60
    assert view_of(test_pipeline(view)).num_views is None
    assert view_of(test_pipeline(view, mode='center', crops='five')).num_views == 5
    # what wrappers hold counts as well
    wrapped = dict(
        train_pipeline=[
            dict(type='SampleWindow', num_frames=16, stride=4, num_windows=2),
            dict(type='PerClip', transforms=[dict(type='Resize', scale=(112, 112))]),
        ]
    )
    assert test_pipeline(view_of(wrapped))['crop']['crop_size'] == 112
    with pytest.raises(ValueError, match=r'crop_share must lie in \(0, 1\], got 2'):
        test_pipeline(view, crop_share=2)


def test_flow_end_to_end(probe_set, tmp_path):
    """Extracted flow of real videos; trivial features say that they look at flow images."""
    names = [f'{i} a.mp4' for i in range(6)]
    for i, name in enumerate(names):
        write_moving_video(
            tmp_path / 'videos' / name, 12, move=(2 - 4 * (i % 2), 0), seed=i, size=(48, 64)
        )
    assert extract_flow(names, tmp_path / 'videos', tmp_path / 'flow').made == 6
    config = Config.fromfile(probe_set.pretraining)
    config.train_dataloader.dataset.modality = 'Flow'
    cfg = Config.fromfile(probe_set.config)
    for role, part in (('gallery', names[:4]), ('query', names[4:])):
        (tmp_path / f'{role}.txt').write_text(''.join(f'{n} {int(n[0]) % 2}\n' for n in part))
        cfg.evaluation[role].dataset = dict(
            type='VideoListDataset',
            ann_file=str(tmp_path / f'{role}.txt'),
            modality='Flow',
            suffix='.flow.mp4',
            data_prefix=dict(video=str(tmp_path / 'flow')),
        )
    cfg.evaluation.protocol = dict(type='retrieval/context-mean-cosine', ks=(1,), centred=True)
    found = run_evaluation(
        cfg, build_encoder('random', config), progress=False, dump=tmp_path / 'flow.npz'
    )
    assert [r['subject'] for r in found] == [
        'length, aspect',
        'first flow image',
        'flow change over time',
        'flow change map',
        'random',
    ]
    assert not any('was trained on' in w for w in found[-1]['warnings'])
    assert found[1]['metrics']['R@1']['value'] == 100  # the direction is in every flow image

    # folders and lists are read as what the encoder was trained on, never as the other
    config.train_dataloader.dataset.suffix = '.flow.mp4'
    encoder = build_encoder('random', config)
    folder = extract_features(encoder, tmp_path / 'flow', progress=False)
    (tmp_path / 'all.txt').write_text(''.join(f'{name} 0\n' for name in names))
    listed = extract_features(encoder, tmp_path / 'all.txt', root=tmp_path / 'flow', progress=False)
    assert len(folder.names) == 6
    np.testing.assert_array_equal(folder.features, listed.features)
    with pytest.raises(RuntimeError, match='flow'):
        extract_features(encoder, tmp_path / 'videos', on_error='raise', progress=False)
    # the names are those of the list, as in a file of RGB features
    assert load_result_file(tmp_path / 'flow.npz').query_names == names[4:]


def test_length_and_aspect_are_those_of_the_files(probe_set):
    cfg = Config.fromfile(probe_set.config).evaluation.query
    found, *_ = extract_many([], BASELINES, build_dataset(cfg.dataset), progress=False)
    assert np.allclose(np.exp(found.features), [[n, 64 / 48] for n in (8, 12, 16, 20, 8, 12, 16)])
    with pytest.raises(
        ValueError, match="which the baseline 'length, aspect' needs: .*baselines off"
    ):
        BASELINES['length, aspect'](raw(1, 2, 3, 4, 4), {})
