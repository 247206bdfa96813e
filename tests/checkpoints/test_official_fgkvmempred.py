"""Converting the FGKVMemPred authors' files: any size and setting; nothing missing passes."""

from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS

from helpers import official_fgkvmempred as official
from helpers.tiny_run import run
from mmssl_video.checkpoints import (
    CheckpointError,
    config_from_checkpoint,
    convert_file,
    convert_official,
    load_checkpoint_file,
    load_encoder,
    load_full,
)
from mmssl_video.checkpoints import official_fgkvmempred as adapter
from mmssl_video.datasets.views import test_pipeline, view_of

ROOT = Path(__file__).resolve().parents[2]
R2PLUS1D = dict(kind='r2plus1d', depth=10, stem_middle=5, factorised_shortcut=True)


def build(backbone=None, predictor='memory', concepts=True, classes=None):
    """A narrow model of ours in the released code's settings."""
    backbone = dict(
        type='VideoResNet', base_channels=2, **(backbone or dict(last_stage='released'))
    )
    if classes:
        head = dict(type='ContextHead', num_classes=classes, batch_norm=False)
        return MODELS.build(dict(type='ClipClassifier', backbone=backbone, cls_head=head))
    memory = dict(
        type='KeyValueMemory',
        in_channels=6,
        out_channels=6,
        num_slots=10,
        hidden_channels=4,
        scale=16.0,
    )
    mlp = dict(
        type='MLPPredictor', in_channels=6, out_channels=6, hidden_channels=7, batch_norm=True
    )
    return MODELS.build(
        dict(
            type='BYOL',
            backbone=backbone,
            projector=dict(type='ProjectionMLP', in_channels=16, out_channels=6, hidden_channels=9),
            predictor=memory if predictor == 'memory' else mlp,
            losses=dict(prediction=dict(weight=2.0)),
            concepts=dict(
                type='ConceptDictionaries', in_channels=6, feature_channels=16, num_concepts=11
            )
            if concepts
            else None,
        )
    )


def official_weights(model, branch='projection.'):
    """The weights of our model under the authors' names; one direction of the renaming only."""
    is_classifier = hasattr(model, 'cls_head') and model.with_cls_head
    encoder = '' if is_classifier else 'backbone.'
    is_2plus1d = model.backbone.kind == 'r2plus1d'
    inverse = {
        '.conv1.weight': '.branch2.a.weight',
        '.conv2.weight': '.branch2.b.weight',
        '.bn1.': '.branch2.a_bn.',
        '.bn2.': '.branch2.b_bn.',
    }
    if is_2plus1d:
        inverse = {
            f'.conv{n}.{ours}.': f'.branch2.{ab}{theirs}.'
            for n, ab in ((1, 'a'), (2, 'b'))
            for ours, theirs in (('spatial', ''), ('bn', '_bn'), ('temporal', '_conv2'))
        }
        inverse.update({'.bn1.': '.branch2.a_bn1.', '.bn2.': '.branch2.b_bn1.'})
    inverse.update(
        {
            '.downsample.1.': '.branch1_bn.',
            '.downsample.0.weight': '.branch1.weight',
            '.downsample.0.spatial.': '.branch1.0.',
            '.downsample.0.bn.': '.branch1.1.',
            '.downsample.0.temporal.': '.branch1.3.',
        }
    )
    stem = (
        {'conv1.spatial': 'conv1', 'conv1.bn': 'bn1', 'conv1.temporal': 'conv2', 'bn1': 'bn2'}
        if is_2plus1d
        else {'conv1': 'conv', 'bn1': 'bn'}
    )
    heads = {
        'projector.mlp': 'backbone.head.projection.projection',
        'target_projector.mlp': 'backbone_hist.head.projection.projection',
        'predictor.mlp': f'backbone.{official.PREDICTOR}{branch[:-1]}',
        'cls_head.fc': 'head.projection',
    }
    heads.update(
        {
            f'{ours}': f'backbone.{official.PREDICTOR}{theirs}'
            for ours, theirs in (
                ('predictor.phi', 'in_proj_cross.projection'),
                ('predictor.values', 'cross_mem'),
                ('predictor.keys', 'cross_key.weight_v'),
                ('concepts.online_concepts', 'source_key.weight'),
                ('concepts.target_concepts', 'target_key.weight'),
                ('concepts.online_dictionary', 'source_recon.projection'),
                ('concepts.target_dictionary', 'target_recon.projection'),
                ('concepts.centre', 'dino_loss.center'),
            )
        }
    )
    weights = {}
    for key, value in model.state_dict().items():
        head = next((ours for ours in heads if key.startswith(ours)), None)
        if head:
            name = heads[head] + key[len(head) :]
            weights[name] = value[None] if name.endswith('center') else value
            continue
        part, rest = key.split('.', 1)
        prefix = 'backbone_hist.' if part == 'target_backbone' else encoder
        if rest.startswith('layer'):
            stage, block, rest = rest.split('.', 2)
            rest = f'.{rest}'
            old = next(ours for ours in inverse if rest.startswith(ours))
            name = inverse[old] + rest[len(old) :]
            bare = (
                stage == 'layer4'
                and block == '0'
                and f'{part}.layer4.0.conv2.weight' not in (model.state_dict())
                and not is_2plus1d
            )
            name = '.branch2.weight' if bare and old == '.conv1.weight' else name
            weights[f'{prefix}s{int(stage[5]) + 1}.pathway0_res{block}{name}'] = value
        else:
            old = next(ours for ours in stem if rest.startswith(f'{ours}.'))
            weights[f'{prefix}s1.pathway0_stem.{stem[old]}{rest[len(old) :]}'] = value
    if not is_classifier:
        weights.update(
            {
                'ptr': torch.zeros(1),
                'iter': torch.zeros(1),
                'queue_x': torch.zeros(4, 6),
                'knn_mem.memory': torch.zeros(3, 1, 6),
                f'backbone_hist.{official.PREDICTOR}cross_mem': torch.zeros(10, 6),
            }
        )
        if any('cross_key' in key for key in weights):
            weights[f'backbone.{official.PREDICTOR}cross_key.weight_g'] = torch.ones(10, 1)
    return weights


SETTINGS = official.released_settings('', [])


@pytest.mark.parametrize(
    'arguments',
    [
        dict(),
        dict(backbone=R2PLUS1D),
        dict(backbone=dict(kind='slow', stem_pool=False)),
        dict(backbone=dict(last_stage='standard', depth=34)),
        dict(predictor='mlp', concepts=False),
        dict(concepts=False),
        dict(classes=5),
        dict(classes=3, backbone=R2PLUS1D),
    ],
    ids=str,
)
def test_rebuilds_the_model_from_the_file_alone(arguments, tmp_path):
    torch.manual_seed(0)
    model = build(**arguments)
    for value in [*model.parameters(), *model.buffers()]:
        if value.is_floating_point():
            value.data = value + 0.1 * torch.rand_like(value)  # the target encoder differs, too
    source = official.save_official(official_weights(model), tmp_path / 'a.pyth', SETTINGS)
    conversion = convert_file(source, tmp_path / 'b.pth', 'fgkvmempred')
    assert conversion.target == ('classifier' if 'classes' in arguments else 'full')
    assert sorted(conversion.used.values()) == sorted(model.state_dict())
    if 'classes' not in arguments:
        assert {'ptr', 'queue_x', 'iter', 'knn_mem.memory'} <= set(conversion.ignored)
    assert not conversion.missing

    checkpoint = load_checkpoint_file(tmp_path / 'b.pth')
    config = config_from_checkpoint(checkpoint)
    rebuilt = MODELS.build(config.model).eval()
    load_full(rebuilt, checkpoint)
    clips = torch.randn(2, 1, 3, 8, 32, 32)
    assert torch.equal(rebuilt.extract_feat(clips), model.eval().extract_feat(clips))
    if 'classes' not in arguments:
        pairs = torch.randn(2, 2, 3, 8, 32, 32)
        torch.testing.assert_close(
            rebuilt.compute(pairs)[1]['cosine/predicted'],
            model.compute(pairs)[1]['cosine/predicted'],
        )
    window = test_pipeline(view_of(config), 10)['sample']
    assert (window.num_frames, window.stride) == (16, 4)
    assert checkpoint['meta']['source']['epoch'] == 399
    assert list(config.model.data_preprocessor.mean) == pytest.approx([114.75] * 3)


def test_settings_are_read_from_the_text():
    overrides = [
        'MEMORY.RADIUS 64 MEMORY.RECON_LOSS_TYPE l2 MEMORY.AVERAGE_DIM 0 '
        'MEMORY.LOSS_SOURCE_RECON 0.5 MEMORY.LOSS_KL 0.2 MEMORY.DINO_TEMP_T 0.1 '
        'CONTRASTIVE.T 1.0 CONTRASTIVE.MOMENTUM 0.9'
    ]
    model = build()
    checkpoint = dict(
        model_state=official_weights(model),
        cfg=official.yaml.safe_dump(official.released_settings('', overrides)),
    )
    config = convert_official(checkpoint, 'fgkvmempred').model
    assert (config['losses']['prediction']['weight'], config['base_momentum']) == (1.0, 0.9)
    assert config['predictor']['scale'] == 64
    recon, align = config['losses']['reconstruction'], config['losses']['alignment']
    assert (recon['distance'], recon['average']) == ('l2', 'batch')
    assert (recon['weight'], recon['shares']) == (1.0, [0.5, 0.1]) and align['weight'] == 0.2
    assert (align['online_temperature'], align['target_temperature']) == (0.05, 0.1)
    bare = convert_official(official_weights(model), 'fgkvmempred').model
    assert (bare['losses']['prediction']['weight'], bare['predictor']['scale']) == (2.0, 16.0)
    recon = bare['losses']['reconstruction']
    assert (recon['distance'], recon['average']) == ('cosine', 'elements')
    assert (recon['weight'], recon['shares']) == (0.1, [1.0, 1.0])


def test_the_stem_of_a_slow_network_is_asked_for_where_nothing_tells():
    weights = {pool: official_weights(build(dict(kind='slow', stem_pool=pool))) for pool in (0, 1)}
    assert weights[0].keys() == weights[1].keys(), 'the weights tell nothing'

    def stem_pool(settings=None, **options):
        checkpoint = dict(model_state=weights[0])
        if settings is not None:
            checkpoint['cfg'] = official.yaml.safe_dump(settings)
        model = convert_official(checkpoint, 'fgkvmempred', **options).model
        return model['backbone']['stem_pool']

    for config, pools in (
        ('configs/ucf101_pretrain/BYOL_SlowR18_8x8_224_400e_bs64_fgkvmempred.yaml', False),
        ('configs/kinetics_pretrain/BYOL_Slow-R18_8x8_224_100e_bs128_fgkvmempred.yaml', True),
        ('configs/finetune/finetune_Slow-R18.yaml', True),
    ):
        settings = official.released_settings(config, [])
        assert stem_pool(settings) is stem_pool(settings, stem_pool=pools) is pools
        with pytest.raises(CheckpointError, match='leave --stem-pool out'):
            stem_pool(settings, stem_pool=not pools)
        del settings['RESNET']
        with pytest.raises(CheckpointError, match='--stem-pool yes .*--stem-pool no'):
            stem_pool(settings)
    with pytest.raises(CheckpointError, match='--stem-pool yes .*--stem-pool no'):
        stem_pool()
    assert stem_pool(stem_pool=True) is True and stem_pool(stem_pool=False) is False
    with pytest.raises(CheckpointError, match="STEM_FUNC='other'"):
        stem_pool(dict(RESNET=dict(STEM_FUNC='other')))
    with pytest.raises(CheckpointError, match='never pools'):
        convert_official(official_weights(build()), 'fgkvmempred', stem_pool=True)
    with pytest.raises(CheckpointError, match='of FGKVMemPred, not memdpc'):
        convert_official(weights[0], 'memdpc', stem_pool=True)


def test_heads_and_mlp_branch():
    weights = official_weights(build(predictor='mlp'), 'cross_branch.projection.')
    config = convert_official(weights, 'fgkvmempred').model
    assert config['predictor']['type'] == 'MLPPredictor'
    assert config['concepts']['num_concepts'] == 11
    model = build(concepts=False)
    weights = official_weights(model)
    name = f'backbone.{official.PREDICTOR}'
    weights[f'{name}cross_mem'] = torch.randn(10, 3)
    weights[f'{name}cross_key.weight_v'] = torch.randn(10, 3)
    settings = official.released_settings('', ['MEMORY.N_HEAD 2'])
    conversion = convert_official(
        dict(model_state=weights, cfg=official.yaml.safe_dump(settings)), 'fgkvmempred'
    )
    assert conversion.model['predictor']['heads'] == 2
    memory = MODELS.build(conversion.model).predictor
    memory.load_state_dict(
        {
            key[len('predictor.') :]: value
            for key, value in conversion.state_dict.items()
            if key.startswith('predictor.')
        }
    )
    # the released order: slots and query cut into heads
    source = torch.randn(5, 6)
    query = torch.nn.functional.normalize(memory.eval().phi(source).view(5, 2, 3), dim=2)
    keys = torch.nn.functional.normalize(weights[f'{name}cross_key.weight_v'].view(2, 5, 3), dim=2)
    address = (16 * torch.einsum('bhd,hsd->bhs', query, keys)).softmax(-1)
    expected = torch.einsum('bhs,hsd->bhd', address, weights[f'{name}cross_mem'].view(2, 5, 3))
    torch.testing.assert_close(memory(source), expected.reshape(5, 6))


@pytest.mark.parametrize('classes', [None, 4])
def test_encoder_only(classes, tmp_path):
    model = build(classes=classes).eval()
    weights = official_weights(model)
    source = official.save_official(weights, tmp_path / 'a.pyth', SETTINGS)
    conversion = convert_file(source, tmp_path / 'b.pth', 'fgkvmempred', 'encoder')
    assert all(key.startswith('backbone.') for key in conversion.state_dict)
    assert set(conversion.used) | set(conversion.ignored) == set(weights)
    checkpoint = load_checkpoint_file(tmp_path / 'b.pth')
    rebuilt = MODELS.build(config_from_checkpoint(checkpoint).model).eval()
    load_encoder(rebuilt, checkpoint)
    clips = torch.randn(1, 2, 3, 8, 32, 32)
    torch.testing.assert_close(rebuilt.extract_feat(clips), model.extract_feat(clips))
    # the authors' transfer: into a classifier of another number of classes
    classifier = build(classes=7)
    assert not load_encoder(classifier, checkpoint).missing


def without(weights, *names):
    return {key: value for key, value in weights.items() if not key.startswith(names)}


@pytest.mark.parametrize(
    'removed, named',
    [
        ('backbone.s4.pathway0_res0.branch2.b.', r'lacks 1 key .*s4\.pathway0_res0\.branch2\.b\.w'),
        (
            'backbone.s1.pathway0_stem.bn.running_var',
            r'backbone\.s1\.pathway0_stem\.bn\.running_var',
        ),
        ('backbone_hist.s3.pathway0_res1.', r'backbone_hist\.s3\.pathway0_res1\.'),
        ('backbone.head.projection.', r'lacks backbone\.head\.projection\.projection\.0\.weight'),
        (f'backbone.{official.PREDICTOR}cross_mem', r'lacks .*cross_mem'),
        (f'backbone.{official.PREDICTOR}dino_loss', r'lacks .*dino_loss\.center'),
        (f'backbone.{official.PREDICTOR}target_key', r'lacks .*target_key\.weight'),
        (('backbone.s1.', 'backbone_hist.s1.'), 'has no backbone'),
    ],
)
def test_missing_keys_are_refused(removed, named):
    removed = (removed,) if isinstance(removed, str) else removed
    with pytest.raises(CheckpointError, match=named) as caught:
        convert_official(
            without(official_weights(build()), *removed), 'fgkvmempred', source='a.pyth'
        )
    assert '\n' not in str(caught.value) and 'a.pyth' in str(caught.value)


@pytest.mark.parametrize(
    'change, named',
    [
        (
            lambda w: w.update(
                {f'backbone.{official.PREDICTOR}out_proj_cross.projection.weight': torch.ones(6, 6)}
            ),
            r'no fgkvmempred model .*out_proj_cross',
        ),
        (
            lambda w: w.update({'backbone.s3.pathway0_res0.nonlocal.weight': torch.ones(1)}),
            r'no fgkvmempred model .*nonlocal',
        ),
        (
            lambda w: w.update({f'backbone.{official.PREDICTOR}cross_mem': torch.ones(9, 6)}),
            r'contradicts itself: .*cross_key',
        ),
    ],
)
def test_foreign_options_are_refused(change, named):
    weights = official_weights(build())
    change(weights)
    with pytest.raises(CheckpointError, match=named):
        convert_official(weights, 'fgkvmempred')


@pytest.mark.parametrize(
    'override, named',
    [
        ('MEMORY.PREDICT_RESIDUAL True', r'MEMORY\.PREDICT_RESIDUAL=True'),
        ('MEMORY.USE_SPARSE True', r'MEMORY\.USE_SPARSE=True'),
        ('MEMORY.USE_OUTPUT_PROJ True', r'MEMORY\.USE_OUTPUT_PROJ=True.* --to encoder'),
        ('MEMORY.RECON_TYPE memory', r"MEMORY\.RECON_TYPE='memory'.* --to encoder"),
        ('MEMORY.AVERAGE_DIM 1', r'MEMORY\.AVERAGE_DIM=1'),
        ('CONTRASTIVE.T 0', r'CONTRASTIVE\.T=0'),
    ],
)
def test_settings_without_a_counterpart_are_refused(override, named):
    settings = official.yaml.safe_dump(official.released_settings('', [override]))
    checkpoint = dict(model_state=official_weights(build()), cfg=settings)
    with pytest.raises(CheckpointError, match=named):
        convert_official(checkpoint, 'fgkvmempred')
    assert convert_official(checkpoint, 'fgkvmempred', 'encoder').target == 'encoder'


@pytest.mark.parametrize(
    'text, named',
    [
        ('!!python/object/apply:os.system ["true"]', 'no plain YAML'),
        ('a: [1', 'no plain YAML'),
        ('just words', 'holds a str'),
    ],
)
def test_settings_are_data(text, named):
    with pytest.raises(CheckpointError, match=named):
        adapter.settings_of(dict(cfg=text))


def test_wrong_targets_and_origins():
    weights = official_weights(build())
    with pytest.raises(CheckpointError, match='without a classifier'):
        convert_official(weights, 'fgkvmempred', 'classifier')
    with pytest.raises(CheckpointError, match='without a predictor'):
        convert_official(official_weights(build(classes=3)), 'fgkvmempred', 'full')
    with pytest.raises(CheckpointError, match='one of FGKVMemPred|none of FGKVMemPred'):
        convert_official(build().state_dict(), 'fgkvmempred')
    with pytest.raises(CheckpointError):
        convert_official(weights, 'memdpc')


def test_through_the_command(tmp_path):
    source = official.save_official(
        official_weights(build(classes=5)), tmp_path / 'a.pyth', SETTINGS
    )
    done = run(
        'python',
        ROOT / 'tools' / 'convert_checkpoint.py',
        source,
        tmp_path / 'b.pth',
        '--from',
        'fgkvmempred',
        '--to',
        'classifier',
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout
    assert 's2.pathway0_res0.branch2.a_bn.weight -> backbone.layer1.0.bn1.weight' in done.stdout
    assert 'classifier with VideoResNet-18 (r3d)' in done.stdout
    config = config_from_checkpoint(load_checkpoint_file(tmp_path / 'b.pth'))
    assert list(config.model.pool_size) == [4, 7, 7]
