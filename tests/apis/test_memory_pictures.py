"""Pictures of a memory: what they are computed from, and the command on real videos."""

import builtins
import sys

import cv2
import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config

from helpers.tiny_run import REPO, last_line, run
from helpers.videos import write_video
from mmssl_video.apis import memory_pictures as pictures

BLOCKS = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=8, stride=1),
    dict(type='DecodeFrames'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
]
END = [dict(type='FormatShape', input_format='NCTHW'), dict(type='PackActionInputs')]
MODEL = {
    'byol': dict(
        type='BYOL',
        backbone=dict(type='VideoResNet', base_channels=4, last_stage='dilated'),
        projector=dict(type='ProjectionMLP', in_channels=32, hidden_channels=8, out_channels=6),
        predictor=dict(type='KeyValueMemory', in_channels=6, out_channels=6, num_slots=10),
        concepts=dict(
            type='ConceptDictionaries', in_channels=6, feature_channels=32, num_concepts=9
        ),
    ),
    'memdpc': dict(
        type='DensePredictiveCoding',
        num_blocks=4,
        pred_steps=2,
        backbone=dict(type='ResNet2d3d', depth=18, base_channels=4, track_running_stats=True),
        neck=dict(type='ConvGRU', in_channels=16, hidden_channels=16, bidirectional=True),
        predictor=dict(type='CompressiveMemory', in_channels=16, out_channels=16, num_slots=7),
    ),
}
MODEL['heads'] = dict(
    MODEL['byol'], concepts=None, predictor=dict(MODEL['byol']['predictor'], heads=2)
)
MODEL['mlp'] = dict(
    MODEL['byol'],
    concepts=None,
    predictor=dict(type='MLPPredictor', in_channels=6, out_channels=6, batch_norm=True),
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """A list of six videos of three classes, and one checkpoint of each model."""
    folder = tmp_path_factory.mktemp('memory')
    rng = np.random.default_rng(0)
    lines = []
    for label, name in enumerate(('jump', 'run', 'walk fast')):
        for number in range(2):
            frames = rng.integers(0, 256, (1, 40, 60, 3), dtype=np.uint8).repeat(24, 0)
            write_video(folder / 'videos' / name / f'{number}.mp4', list(frames))
            lines.append(f'{name}/{number}.mp4 {label}\n')
    (folder / 'list.txt').write_text(''.join(lines))
    for name, model in MODEL.items():
        torch.manual_seed(0)
        split = [dict(type='SplitBlocks', num_blocks=4)] if name == 'memdpc' else []
        config = Config(dict(model=model, train_pipeline=BLOCKS + split + END))
        torch.save(
            dict(meta=dict(cfg=config.pretty_text), state_dict=MODELS.build(model).state_dict()),
            folder / f'{name}.pth',
        )
    return folder


def draw(data, name, *checkpoints, **options):
    out = data / f'{name}.png'
    facts = pictures.picture_memory(
        [data / f'{each}.pth' for each in (checkpoints or (name,))],
        data / 'list.txt',
        out,
        root=data / 'videos',
        num_windows=2,
        top=3,
        **options,
    )
    image = cv2.imread(str(out))
    assert image is not None and min(image.shape[:2]) > 300 and image.std() > 10
    return facts


@pytest.mark.parametrize('name', ['byol', 'memdpc', 'heads'])
def test_every_memory_is_drawn(data, name):
    facts = draw(data, name)
    assert facts['videos'] == 6 and facts['left out'] == 0
    assert 0 < facts['usage entropy of the slots'] <= 1
    assert 0.333 <= facts['largest P(action | slot)'] <= 1
    assert ('mean cosine of the encoders' in facts) == (name != 'memdpc')


def test_tsne_over_checkpoints(data):
    pytest.importorskip('sklearn')
    seen = []
    original = pictures.embed
    try:
        pictures.embed = lambda rows: seen.append(rows) or original(rows)
        draw(data, 'tsne', 'byol', 'byol')
    finally:
        pictures.embed = original
    assert len(seen) == 2 and seen[0].shape == (12, 10)
    np.testing.assert_allclose(seen[0].sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize('name', ['byol', 'heads'])
def test_parts_are_those_of_the_model(data, name):
    model = MODELS.build(MODEL[name]).eval()
    view = pictures.MemoryView(model)
    inputs = torch.randn(3, 1, 3, 8, 32, 32)
    with torch.no_grad():
        rows = view.extract_feat(inputs)
        parts = view.split(rows.numpy())
        y = model.extract_feat(inputs)
        address = model.predictor.address(model.projector(y))
        goal = model.target_backbone(inputs[:, 0]).mean((2, 3, 4))
    np.testing.assert_allclose(parts['online'], y, atol=1e-6)
    np.testing.assert_allclose(parts['momentum'], goal, atol=1e-6)
    np.testing.assert_allclose(parts['slots'].sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(parts['slots'], address.flatten(1) / address.shape[1], atol=1e-6)


def test_class_given_slot_weights_classes_alike():
    slots = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    labels = np.array([0, 0, 0, 1])
    table = pictures.class_given_slot(slots, labels, [0, 1])
    np.testing.assert_allclose(
        table,
        [
            [(2 / 3) / (2 / 3 + 0.5), (1 / 3) / (1 / 3 + 0.5)],
            [0.5 / (2 / 3 + 0.5), 0.5 / (1 / 3 + 0.5)],
        ],
    )


def test_encoders_are_compared_on_different_clips():
    online = np.eye(5, dtype=np.float32)
    counts = np.array([3, 2])
    momentum = online[[2, 0, 1, 4, 3]]  # of the next clip of the same video
    np.testing.assert_allclose(pictures.encoder_similarity(online, momentum, counts), 1)
    with pytest.raises(ValueError, match='2 windows'):
        pictures.encoder_similarity(online, momentum, np.ones(5, dtype=int))


def test_top_clips_are_of_different_videos():
    assert pictures.distinct(np.array([3, 2, 0, 4, 1]), np.array([2, 2, 1]), 2) == [3, 0]


def test_classes_by_name_and_by_label(data, monkeypatch):
    draw(data, 'byol', classes=['walk fast', '0'])
    with pytest.raises(ValueError, match='no class dance in the list; its classes are jump, run'):
        draw(data, 'byol', classes=['dance'])


def test_models_without_slots_are_refused(data):
    with pytest.raises(ValueError, match='BYOL with a MLPPredictor has no memory slots'):
        draw(data, 'mlp')


def test_without_scikit_learn(data, monkeypatch):
    """Asked before any work, and by the function that needs it."""
    monkeypatch.setattr(pictures.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ValueError, match='pip install scikit-learn'):
        pictures.picture_memory(['a.pth', 'b.pth'], 'none.txt', 'x.png')
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith('sklearn'):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', missing)
    with pytest.raises(ValueError, match='pip install scikit-learn'):
        pictures.embed(np.eye(4))


def test_the_command(data):
    tool = REPO / 'tools' / 'visualize_memory.py'
    done = run(
        sys.executable,
        tool,
        data / 'byol.pth',
        '--videos',
        data / 'list.txt',
        '--root',
        data / 'videos',
        '--out',
        data / 'command.png',
        '--num-windows',
        '2',
        '--top',
        '2',
        '--num-workers',
        '0',
        '--classes',
        'run',
        'jump',
        cwd=data,
    )
    assert done.returncode == 0, done.stdout
    assert 'videos: 6' in done.stdout and last_line(done.stdout).endswith('command.png is written')
    assert (data / 'command.png').stat().st_size > 5000
    done = run(
        sys.executable,
        tool,
        data / 'byol.pth',
        '--videos',
        data / 'list.txt',
        '--out',
        data / 'x.jpg',
        cwd=data,
    )
    assert done.returncode == 1 and last_line(done.stdout).startswith('error: --out ')
