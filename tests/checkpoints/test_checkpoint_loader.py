"""Loading an encoder: what matches is loaded and reported, another architecture is refused."""

import copy
import io
import logging

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.logging import MMLogger

from mmssl_video.checkpoints import (
    CheckpointError,
    load_checkpoint_file,
    load_encoder,
    load_full,
    match_weights,
    save_atomic,
)


def build(depth=18, width=4, track=True, bidirectional=True, num_layers=1, kind='pretraining'):
    channels = 16 * width if depth == 50 else 4 * width
    config = dict(
        backbone=dict(
            type='ResNet2d3d', depth=depth, base_channels=width, track_running_stats=track
        ),
        neck=dict(
            type='ConvGRU', in_channels=channels, bidirectional=bidirectional, num_layers=num_layers
        ),
    )
    if kind == 'classifier':
        head = dict(type='ContextHead', in_channels=channels * (1 + bidirectional), num_classes=3)
        return MODELS.build(dict(type='ContextClassifier', cls_head=head, **config))
    return MODELS.build(
        dict(
            type='DensePredictiveCoding',
            predictor=dict(
                type='CompressiveMemory', in_channels=channels, out_channels=channels, num_slots=8
            ),
            **config,
        )
    )


def is_equal(model, weights, prefixes=('backbone.', 'neck.')):
    own = model.state_dict()
    return all(
        torch.equal(own[key], value)
        for key, value in weights.items()
        if key.startswith(prefixes) and key in own
    )


def unchanged(model):
    before = copy.deepcopy(model.state_dict())
    return lambda: all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize('prefix', ['', 'module.', 'module.module.'])
def test_encoder_from_pretraining_to_classifier(prefix, tmp_path):
    source, model = build(), build(kind='classifier')
    path = tmp_path / 'a.pth'
    save_atomic(dict(state_dict={prefix + k: v for k, v in source.state_dict().items()}), path)
    head = copy.deepcopy(model.cls_head.state_dict())
    report = load_encoder(model, load_checkpoint_file(path), 'a.pth')
    assert is_equal(model, source.state_dict())
    assert all(torch.equal(head[key], value) for key, value in model.cls_head.state_dict().items())
    assert len(report.loaded) == len([k for k in model.state_dict() if 'cls_head' not in k])
    assert not report.missing and not report.mismatched and not report.notices
    assert report.unexpected == [k for k in source.state_dict() if k.startswith('predictor.')]
    lines = str(report).splitlines()
    assert lines[0] == (
        f'a.pth: {len(report.loaded)} keys loaded, 0 missing, 5 unexpected, 0 of another shape'
    )
    assert 'predictor.memory' in lines[1]


def test_report_is_printed():
    stream = io.StringIO()
    logger, handler = MMLogger.get_current_instance(), logging.StreamHandler(stream)
    handler.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        model, weights = build(), build().state_dict()
        stream.truncate(0)
        report = load_encoder(model, weights, 'seen.pth')
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue().endswith(f'{report}\n')


@pytest.mark.parametrize(
    'other',
    [dict(depth=34), dict(depth=50), dict(width=8), dict(num_layers=2), dict(bidirectional=False)],
    ids=str,
)
@pytest.mark.parametrize('load', [load_encoder, load_full])
def test_another_architecture_is_refused(other, load):
    model, given = build(), build(**other).state_dict()
    is_untouched = unchanged(model)
    with pytest.raises(CheckpointError, match='^a.pth is of another architecture') as caught:
        load(model, given, 'a.pth')
    assert '\n' not in str(caught.value)
    assert is_untouched()


def test_shallower_model_is_refused():
    """A ResNet-18 finds all its keys, with the right shapes, in a ResNet-34."""
    with pytest.raises(CheckpointError, match=r'no place in the model, backbone\.layer1\.2'):
        load_encoder(build(depth=18), build(depth=34).state_dict(), 'a.pth')


def test_foreign_weights_are_refused():
    model = build()
    is_untouched = unchanged(model)
    foreign = {f'features.{k}': v for k, v in build().state_dict().items()}
    with pytest.raises(CheckpointError, match=r'nothing of the encoder \(backbone and neck\)'):
        load_encoder(model, foreign, 'a.pth')
    with pytest.raises(CheckpointError, match='holds nothing of the model'):
        load_full(model, foreign, 'a.pth')
    only_predictor = {k: v for k, v in build().state_dict().items() if k.startswith('predictor.')}
    with pytest.raises(CheckpointError, match='holds nothing of the encoder'):
        load_encoder(model, only_predictor, 'a.pth')
    assert is_untouched()


def test_incomplete_backbone_is_refused():
    weights = build().state_dict()
    del weights['backbone.layer3.0.conv2.weight']
    with pytest.raises(CheckpointError, match=r'lacks 1 keys .* backbone\.layer3\.0\.conv2\.w'):
        load_encoder(build(), weights, 'a.pth')


def test_without_running_statistics():
    """DPC pre-trains without them: a model that has them keeps 0 and 1, and says so."""
    source, model = build(track=False), build(kind='classifier')
    report = load_encoder(model, source.state_dict(), 'a.pth')
    assert is_equal(model, source.state_dict())
    (notice,) = report.notices
    assert 'without running BN statistics: 20 layers' in notice and notice in str(report)
    assert all(key.startswith('backbone.') for key in report.missing)
    assert (model.backbone.bn1.running_mean == 0).all()
    assert (model.backbone.bn1.running_var == 1).all()

    (notice,) = load_encoder(build(track=False), build().state_dict(), 'a.pth').notices
    assert 'are not used' in notice


def test_parts_and_directions():
    """A backbone alone loads with a notice; a second direction that has no place is left out."""
    weights = build().state_dict()
    model = build(bidirectional=False)
    report = load_encoder(model, weights, 'a.pth')
    assert is_equal(model, weights) and not report.missing
    assert any(key.startswith('neck.backward_cells.') for key in report.unexpected)

    backbone = {key: value for key, value in weights.items() if key.startswith('backbone.')}
    model = build()
    neck = copy.deepcopy(model.neck.state_dict())
    report = load_encoder(model, backbone, 'a.pth')
    assert 'no neck; it keeps its initialisation' in report.notices[0]
    assert all(torch.equal(neck[key], value) for key, value in model.neck.state_dict().items())


def test_full():
    source, model = build(), build()
    report = load_full(model, source.state_dict(), 'a.pth')
    assert report.loaded == list(model.state_dict())
    assert is_equal(model, source.state_dict(), ('backbone.', 'neck.', 'predictor.'))
    encoder = {k: v for k, v in source.state_dict().items() if not k.startswith('predictor.')}
    with pytest.raises(CheckpointError, match='has no predictor, only backbone, neck, and the w'):
        load_full(model, encoder, 'a.pth')
    without_bias = {k: v for k, v in source.state_dict().items() if k != 'predictor.mlp.0.bias'}
    with pytest.raises(CheckpointError, match=r'lacks 1 keys of the model, predictor\.mlp\.0\.b'):
        load_full(model, without_bias, 'a.pth')
    is_untouched = unchanged(model)
    assert match_weights(model, build().state_dict(), 'a.pth').loaded == report.loaded
    assert is_untouched()


def test_parallel_wrapper():
    """A wrapped model is filled inside."""
    model, source = build(), build()
    load_encoder(torch.nn.DataParallel(model), source.state_dict(), 'a.pth')
    assert is_equal(model, source.state_dict())
