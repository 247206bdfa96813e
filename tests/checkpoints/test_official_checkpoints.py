"""Converting the authors' files: any depth, width and number of layers; nothing missing passes."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS

from helpers.official_models import filled, model_shapes, save_official
from helpers.probe_set import make_probe_set
from helpers.tiny_run import make_config, run
from mmssl_video.apis import FeatureSet
from mmssl_video.checkpoints import (
    CheckpointError,
    checkpoint_hash,
    config_from_checkpoint,
    convert_file,
    convert_official,
    load_checkpoint_file,
    load_encoder,
    load_full,
)
from mmssl_video.datasets.views import test_pipeline, view_of

ROOT = Path(__file__).resolve().parents[2]
MEAN_STD = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def build(
    origin='memdpc',
    depth=18,
    width=4,
    track=True,
    num_layers=1,
    kernel=1,
    hidden=None,
    num_slots=9,
    num_classes=None,
):
    channels = 16 * width if depth == 50 else 4 * width
    hidden = hidden or channels
    is_memory = origin == 'memdpc'
    config = dict(
        backbone=dict(
            type='ResNet2d3d', depth=depth, base_channels=width, track_running_stats=track
        ),
        neck=dict(
            type='ConvGRU',
            in_channels=channels,
            hidden_channels=hidden,
            kernel_size=kernel,
            num_layers=num_layers,
            bidirectional=is_memory,
        ),
    )
    if num_classes:
        head = dict(
            type='ContextHead', in_channels=hidden * (1 + is_memory), num_classes=num_classes
        )
        return MODELS.build(dict(type='ContextClassifier', cls_head=head, **config))
    predictor = (
        dict(type='CompressiveMemory', num_slots=num_slots)
        if is_memory
        else dict(type='MLPPredictor')
    )
    predictor.update(in_channels=hidden, out_channels=channels)
    return MODELS.build(
        dict(type='DensePredictiveCoding', predictor=predictor, direction_reduction='sum', **config)
    )


def official_weights(model, origin):
    """The weights of our model under the authors' names, both names of each GRU cell."""
    weights = {}
    for key, value in model.state_dict().items():
        value = value.clone()
        gru = re.match(r'neck\.(forward|backward)_cells\.(\d+)\.(.*)', key)
        if gru:
            head = 'agg' if origin == 'dpc' else {'forward': 'agg_f', 'backward': 'agg_b'}[gru[1]]
            weights[f'{head}.ConvGRUCell_{int(gru[2]):02d}.{gru[3]}'] = value
            weights[f'{head}.cell_list.{gru[2]}.{gru[3]}'] = value
        elif key.startswith('predictor.mlp.'):
            name = key.replace('predictor.mlp', 'network_pred')
            weights[name] = value[:, :, None, None] if value.ndim == 2 else value
        elif key == 'predictor.memory':
            weights['mb'] = value
        else:
            weights[key.replace('cls_head.bn', 'final_bn').replace('cls_head.fc', 'final_fc.1')] = (
                value
            )
    return weights


@pytest.mark.parametrize(
    'settings',
    [
        dict(origin='dpc', track=False),
        dict(origin='dpc', track=True, depth=34),
        dict(origin='dpc', depth=50, track=False, width=2),
        dict(origin='dpc', num_layers=3, kernel=3, hidden=12),
        dict(origin='memdpc', num_slots=37),
        dict(origin='memdpc', depth=34, kernel=5),
        dict(origin='memdpc', depth=50, width=3, num_layers=2),
        dict(origin='dpc', num_classes=7),
        dict(origin='memdpc', depth=34, num_classes=11, hidden=6),
    ],
    ids=lambda s: '-'.join(f'{k}={v}' for k, v in s.items()),
)
def test_rebuilds_the_model_from_the_file_alone(settings, tmp_path):
    """Every setting is read off the shapes: the rebuilt model gives the same features."""
    torch.manual_seed(0)
    model, origin = build(**settings), settings['origin']
    for name, buffer in model.named_buffers():
        if 'running' in name:
            buffer.copy_(1 + torch.rand_like(buffer))
    source = save_official(official_weights(model, origin), tmp_path / 'a.pth.tar', origin)
    conversion = convert_file(source, tmp_path / 'b.pth', origin, num_blocks=5, pred_steps=2)
    assert conversion.target == ('classifier' if 'num_classes' in settings else 'full')
    assert not conversion.missing
    assert sorted(conversion.used.values()) == sorted(model.state_dict())

    checkpoint = load_checkpoint_file(tmp_path / 'b.pth')
    config = config_from_checkpoint(checkpoint)
    rebuilt = MODELS.build(config.model)
    load_full(rebuilt, checkpoint)
    assert type(rebuilt) is type(model)
    for key, value in model.state_dict().items():
        assert torch.equal(rebuilt.state_dict()[key], value), key
    inputs = torch.randn(2, 5, 3, 2, 32, 32)
    model.eval()
    rebuilt.eval()
    assert torch.equal(rebuilt.extract_feat(inputs), model.extract_feat(inputs))
    assert rebuilt.num_blocks == 5
    if 'num_classes' not in settings:
        assert rebuilt.pred_steps == 2
        assert config.model.direction_reduction == ('sum' if origin == 'memdpc' else 'mean')
    assert {k: config.model.data_preprocessor[k] for k in MEAN_STD} == MEAN_STD

    about = checkpoint['meta']['source']
    assert (about['format'], about['file']) == (origin, 'a.pth.tar')
    assert about['sha256'] == checkpoint_hash(source)
    assert (about['epoch'], about['iteration']) == (7, 700)


@pytest.mark.parametrize('origin, depth, num_classes', [('dpc', 50, None), ('memdpc', 34, 101)])
def test_released_sizes(origin, depth, num_classes):
    weights = filled(model_shapes(origin, depth, num_classes))
    conversion = convert_official(weights, origin)
    width = 1024 if depth == 50 else 256
    assert conversion.model['backbone']['depth'] == depth
    assert conversion.model['backbone']['track_running_stats'] is (num_classes is not None)
    assert conversion.model['neck']['hidden_channels'] == width
    assert len(conversion.used) + len(conversion.ignored) == len(weights)
    assert all(
        'cell_list' in key and 'the same tensor as' in why
        for key, why in conversion.ignored.items()
    )


@pytest.mark.parametrize('origin', ['dpc', 'memdpc'])
@pytest.mark.parametrize('num_classes', [None, 5])
def test_encoder_only(origin, num_classes, tmp_path):
    model = build(origin, num_classes=num_classes)
    weights = official_weights(model, origin)
    source = save_official(weights, tmp_path / 'a.pth.tar', origin)
    conversion = convert_file(source, tmp_path / 'b.pth', origin, 'encoder')
    left = {key for key in weights if key.startswith(('network_pred', 'mb', 'final_'))}
    assert {key for key, why in conversion.ignored.items() if '--to encoder' in why} == left
    checkpoint = load_checkpoint_file(tmp_path / 'b.pth')
    assert all(key.startswith(('backbone.', 'neck.')) for key in checkpoint['state_dict'])
    rebuilt = MODELS.build(config_from_checkpoint(checkpoint).model).eval()
    load_encoder(rebuilt, checkpoint)
    inputs = torch.randn(1, 8, 3, 2, 32, 32)
    assert torch.equal(rebuilt.extract_feat(inputs), model.eval().extract_feat(inputs))


def test_into_a_classifier(tmp_path):
    """The authors' transfer: the pre-trained encoder into a new classifier."""
    source = build('memdpc')
    conversion = convert_official(official_weights(source, 'memdpc'), 'memdpc', 'encoder')
    classifier = build('memdpc', num_classes=3)
    report = load_encoder(classifier, conversion.state_dict)
    assert not report.missing and not report.unexpected
    assert torch.equal(
        classifier.neck.backward_cells[0].out_gate.weight,
        source.neck.backward_cells[0].out_gate.weight,
    )


def without(weights, *names):
    return {key: value for key, value in weights.items() if not key.startswith(names)}


@pytest.mark.parametrize(
    'origin, removed, named',
    [
        ('dpc', ('backbone.layer3.0.conv2.weight',), r'lacks 1 key .*backbone\.layer3\.0\.conv2'),
        ('dpc', ('backbone.layer4.1.',), r'lacks .* backbone\.layer4\.1\.conv1'),
        ('dpc', ('backbone.conv1.',), r'lacks backbone\.conv1\.weight'),
        ('dpc', ('backbone.',), 'no backbone'),
        ('dpc', ('backbone.bn1.running_var',), r'backbone\.bn1\.running_var'),
        ('dpc', ('agg.',), r'agg\.ConvGRUCell_00\.reset_gate\.bias'),
        (
            'dpc',
            ('agg.ConvGRUCell_00.out_gate.bias', 'agg.cell_list.0.out_gate.bias'),
            r'agg\.ConvGRUCell_00\.out_gate\.bias',
        ),
        ('dpc', ('network_pred.0.',), r'network_pred\.0\.weight'),
        ('dpc', ('network_pred.',), r'network_pred\.0\.weight'),
        ('memdpc', ('mb',), 'lacks mb'),
        ('memdpc', ('agg_b.',), r'agg_b\.ConvGRUCell_00\.reset_gate'),
        ('memdpc', ('network_pred.2.bias',), r'network_pred\.2\.bias'),
    ],
)
def test_missing_keys_are_refused(origin, removed, named, tmp_path):
    weights = without(official_weights(build(origin), origin), *removed)
    source = save_official(weights, tmp_path / 'a.pth.tar', origin)
    with pytest.raises(CheckpointError, match=named) as caught:
        convert_file(source, tmp_path / 'b.pth', origin)
    assert '\n' not in str(caught.value) and 'a.pth.tar' in str(caught.value)
    assert not (tmp_path / 'b.pth').exists()


def test_missing_counters_do_no_harm():
    """torch before 0.4.1 did not count batches."""
    weights = official_weights(build('memdpc'), 'memdpc')
    counters = [key for key in weights if key.endswith('num_batches_tracked')]
    conversion = convert_official({k: v for k, v in weights.items() if k not in counters}, 'memdpc')
    assert conversion.missing == counters
    assert counters[0] in str(conversion).split('missing')[1]
    assert conversion.state_dict['backbone.bn1.num_batches_tracked'] == 0


def test_aliases():
    """Either name of a GRU cell will do; two values for one tensor will not."""
    weights = official_weights(build('memdpc'), 'memdpc')
    first = 'agg_b.ConvGRUCell_00.update_gate.weight'
    alias = 'agg_b.cell_list.0.update_gate.weight'
    both = convert_official(weights, 'memdpc')
    for dropped in (first, alias):
        one = convert_official(without(weights, dropped), 'memdpc')
        assert all(torch.equal(value, both.state_dict[k]) for k, value in one.state_dict.items())
    assert both.ignored[alias] == f'the same tensor as {first}'
    with pytest.raises(CheckpointError, match=f'{alias} and {first} name one tensor, but differ'):
        convert_official({**weights, alias: weights[alias] + 1e-6}, 'memdpc')


def test_contradictions_are_refused():
    weights = official_weights(build('memdpc'), 'memdpc')
    wrong = 'backbone.layer2.0.conv1.weight'
    with pytest.raises(CheckpointError, match=re.escape(f'{wrong} (8, 4, 1, 3)')):
        convert_official({**weights, wrong: weights[wrong][..., 0]}, 'memdpc')
    with pytest.raises(CheckpointError, match='blocks per stage'):
        deep = {f'backbone.layer3.{i}.conv1.weight': torch.ones(1) for i in range(23)}
        convert_official({**weights, **deep}, 'memdpc')
    with pytest.raises(CheckpointError, match=r'1 keys that no memdpc model .*backbone\.fc'):
        convert_official({**weights, 'backbone.fc.weight': torch.ones(1)}, 'memdpc')
    extra = convert_official({**weights, 'somebody.else': torch.ones(1)}, 'memdpc')
    assert extra.ignored['somebody.else'] == 'not part of the memdpc layout'


def test_wrong_origin_and_target():
    dpc, memdpc = (official_weights(build(origin), origin) for origin in ('dpc', 'memdpc'))
    with pytest.raises(CheckpointError, match='not a dpc checkpoint.*looks like --from memdpc'):
        convert_official(memdpc, 'dpc')
    with pytest.raises(CheckpointError, match='not a memdpc checkpoint.*looks like --from dpc'):
        convert_official(dpc, 'memdpc')
    with pytest.raises(CheckpointError, match='without a classifier.*--to encoder'):
        convert_official(dpc, 'dpc', 'classifier')
    classifier = official_weights(build('dpc', num_classes=3), 'dpc')
    with pytest.raises(CheckpointError, match='without a predictor.*--to classifier'):
        convert_official(classifier, 'dpc', 'full')
    with pytest.raises(CheckpointError, match='checkpoint of ours already'):
        convert_official(convert_official(dpc, 'dpc').state_dict, 'dpc')
    with pytest.raises(CheckpointError, match='pred_steps=8 must be'):
        convert_official(dpc, 'dpc', pred_steps=8)


def run_tool(*arguments):
    return tool_main('convert_checkpoint.py', *arguments, folder=ROOT)


def test_command(tmp_path):
    """One sentence and exit status 1 for every refusal; an existing file is never lost."""
    source = save_official(
        official_weights(build('dpc', num_layers=2), 'dpc'), tmp_path / 'a.pth.tar', 'dpc'
    )
    target = tmp_path / 'b.pth'
    target.write_text('precious')
    done = run_tool(source, target, '--from', 'dpc')
    assert done.returncode == 1 and 'b.pth exists' in done.stderr and '--force' in done.stderr
    assert 'Traceback' not in done.stderr and target.read_text() == 'precious'
    done = run_tool(source, target, '--from', 'dpc', '--to', 'encoder', '--force')
    assert done.returncode == 0, done.stderr
    assert 'backbone.conv1.weight\n' in done.stdout
    assert 'agg.ConvGRUCell_01.out_gate.bias -> neck.forward_cells.1.out_gate.bias\n' in done.stdout
    assert 'network_pred.0.weight (not part of --to encoder)\n' in done.stdout
    assert 'ignored 16 keys' in done.stdout and 'missing 0 keys' in done.stdout
    assert 'encoder with ResNet2d3d-18 and a 2-layer ConvGRU' in done.stdout
    assert len(load_checkpoint_file(target)['state_dict']) == len(
        [key for key in build('dpc', num_layers=2).state_dict() if 'predictor' not in key]
    )


def tool_main(name, *arguments, folder):
    return run('python', ROOT / 'tools' / name, *arguments, cwd=folder, stderr=subprocess.PIPE)


def test_a_converted_encoder_works_with_every_command(tmp_path):
    """From the authors' file to features, a probe and, for SSL validation, one clear sentence."""
    torch.manual_seed(0)
    data = make_probe_set(tmp_path / 'data')
    source = save_official(
        official_weights(build('memdpc'), 'memdpc'), tmp_path / 'a.tar', 'memdpc'
    )
    done = run_tool(
        source,
        tmp_path / 'conv.pth',
        '--from',
        'memdpc',
        '--to',
        'encoder',
        '--num-blocks',
        4,
        '--size',
        32,
    )
    assert done.returncode == 0, done.stderr

    pipeline = test_pipeline(
        view_of(config_from_checkpoint(load_checkpoint_file(tmp_path / 'conv.pth')))
    )
    assert [step['type'] for step in pipeline.values()] == [
        'VideoInit',
        'SampleWindow',
        'DecodeFrames',
        'Resize',
        'CenterCrop',
        'SplitBlocks',
        'FormatShape',
        'PackActionInputs',
    ]
    assert (pipeline['sample']['num_frames'], pipeline['sample']['stride']) == (20, 3)
    assert pipeline['crop']['crop_size'] == 32 and pipeline['blocks']['num_blocks'] == 4

    done = tool_main(
        'extract_features.py',
        'conv.pth',
        data.videos,
        '--out',
        'f.npz',
        '--num-workers',
        0,
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found = FeatureSet.load(tmp_path / 'f.npz')
    assert found.features.shape == (20, 32) and np.isfinite(found.features).all()
    assert 'windows of 20 frames at stride 3, 4 blocks, CenterCrop 32' in found.protocol['views']

    done = tool_main('test.py', data.config, 'conv.pth', folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r'conv\.pth +\d', done.stdout)

    done = tool_main('test.py', data.pretraining, 'conv.pth', folder=tmp_path)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    sentence = done.stderr.strip().splitlines()[-1]
    assert sentence.startswith(
        'error: conv.pth has no predictor, only backbone, neck, and the whole model is needed here'
    ), sentence

    done = tool_main('train.py', data.pretraining, '--resume', 'conv.pth', folder=tmp_path)
    assert done.returncode == 1 and 'holds weights only' in done.stderr


def test_a_converted_model_is_validated(tmp_path):
    """With its predictor, the authors' model gives a self-supervised accuracy."""
    data = make_config(tmp_path / 'data')
    source = save_official(
        official_weights(build('memdpc'), 'memdpc'), tmp_path / 'a.tar', 'memdpc'
    )
    convert_file(source, tmp_path / 'full.pth', 'memdpc', num_blocks=4, pred_steps=1, size=32)
    done = tool_main('test.py', data, 'full.pth', folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r'ssl/top1 +[01]\.\d{4}', done.stdout)


@pytest.mark.parametrize(
    'source, target, error, sentence',
    [
        ('missing.tar', 'b.pth', FileNotFoundError, 'missing.tar does not exist'),
        ('.', 'b.pth', CheckpointError, 'is a directory'),
        ('text', 'b.pth', CheckpointError, 'not a PyTorch checkpoint'),
        ('a.tar', 'nowhere/b.pth', FileNotFoundError, 'nowhere does not exist'),
        ('a.tar', '.', CheckpointError, 'is a directory'),
        ('a.tar', 'a.tar', CheckpointError, 'is the file to convert'),
    ],
)
def test_bad_paths(tmp_path, source, target, error, sentence):
    (tmp_path / 'text').write_text('hello')
    save_official(official_weights(build('dpc'), 'dpc'), tmp_path / 'a.tar', 'dpc')
    with pytest.raises(error, match=sentence):
        convert_file(tmp_path / source, tmp_path / target, 'dpc', force=True)
    assert not (tmp_path / 'b.pth').exists()
