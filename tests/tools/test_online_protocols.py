"""Fine-tuning, training from scratch and online probes with the shipped demo configs.

Real processes, real (small) videos in the place of the demo videos, a narrow encoder.
"""

import json
import re
import sys

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from helpers.configs import load
from helpers.probe_set import make_probe_set, save_checkpoint
from helpers.tiny_run import REPO, last_line, run, run_stages, scalars, weights
from mmssl_video.checkpoints import config_from_checkpoint, load_checkpoint_file
from mmssl_video.commands import errors
from mmssl_video.commands.test import main
from mmssl_video.datasets.pipelines import pipeline_of
from mmssl_video.datasets.views import view_of
from mmssl_video.results.result_files import ClassScores, load_result_file

SMALL = [f'{name}_dataloader.num_workers=0' for name in ('train', 'val', 'test')] + [
    'train_dataloader.persistent_workers=False',
    'val_dataloader.persistent_workers=False',
    'train_dataloader.batch_size=4',
    'train_cfg.max_epochs=1',
    'train_cfg.val_interval=1',
    'visualizer.vis_backends=[dict(type="LocalVisBackend")]',
]
CLIP_MODEL = dict(
    type='Recognizer3D',
    backbone=dict(
        type='ResNet3dSlowOnly',
        depth=18,
        base_channels=4,
        norm_eval=False,
        pretrained='https://nowhere.example/weights.pth',
    ),
    cls_head=dict(type='I3DHead', num_classes=7, in_channels=32, average_clips='prob'),
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[1.0, 2.0, 3.0],
        std=[4.0, 5.0, 6.0],
        format_shape='NCTHW',
    ),
)
# The data set of all runs.
DEMO = ('--data', 'demo')
# Name of the work dir: (protocol, checkpoint, options).
RUNS = {
    'finetune': ('finetune_memdpc', 'encoder.pth'),
    'dpc': ('finetune_dpc', 'encoder.pth', 'num_blocks=3'),
    'scratch': ('scratch_fgkvmem', None, 'model.backbone.base_channels=4'),
    'linear': ('linear_online_memdpc', 'encoder.pth'),
    'mlp': ('nonlinear_online_memdpc', 'encoder.pth', 'model.cls_head.hidden_channels=6'),
    'slow only': ('linear_online_fgkvmem', 'slow_only.pth', 'model.norm_eval=False'),
    'sstl': (
        'finetune_sstl',
        'slow_only.pth',
        'model.cls_head.dropout=0.25',
        'param_scheduler.0.milestones=[1]',
    ),
    'random': (
        'linear_online_memdpc',
        'random',
        'model.backbone.base_channels=4',
        'model.neck.in_channels=16',
        'model.neck.hidden_channels=16',
    ),
}
PROTOCOLS = dict(
    finetune='finetune',
    dpc='finetune',
    scratch='scratch',
    linear='linear/online',
    mlp='mlp/online',
    sstl='finetune',
    random='linear/online',
    **{'slow only': 'linear/online'},
)
# Errors: (arguments of train.py, what the sentence says).
ERRORS = {
    'no checkpoint': (
        ['finetune_memdpc', *DEMO],
        r'finetune_memdpc\.py starts from a pre-'
        r'trained encoder: name its checkpoint with --pretrained CKPT',
    ),
    'no checkpoint, nothing to resume': (
        ['linear_online_memdpc', *DEMO, '--resume'],
        'starts from a pre-trained encoder',
    ),
    'load_from=None': (
        ['finetune_memdpc', *DEMO, '--cfg-options', 'load_from=None'],
        'starts from a pre-trained encoder',
    ),
    'missing': (['finetune_memdpc', *DEMO, '--pretrained', 'no.pth'], 'checkpoint no.pth does not'),
    'no encoder in it': (
        ['finetune_memdpc', *DEMO, '--pretrained', 'unrelated.pth'],
        r'unrelated\.pth is of another architecture: none of its keys',
    ),
    'clip encoder for blocks': (
        ['finetune_memdpc', *DEMO, '--pretrained', 'slow_only.pth'],
        r'slow_only\.pth holds a Recognizer3D without a neck, which ContextClassifier needs: take '
        r'a config for clip encoders, such as finetune_fgkvmem',
    ),
    'another depth': (
        [
            'finetune_memdpc',
            *DEMO,
            '--pretrained',
            'encoder.pth',
            '--cfg-options',
            'model.backbone.depth=34',
        ],
        r'encoder\.pth is of another architecture',
    ),
    'weights without a config': (
        ['finetune_memdpc', *DEMO, '--pretrained', 'bare.pth'],
        r'bare\.pth is of another architecture',
    ),
    'frozen without statistics': (
        ['linear_online_memdpc', *DEMO, '--pretrained', 'untracked.pth'],
        r'untracked\.pth was trained without running BatchNorm statistics, .*norm_eval=False',
    ),
    'class count': (
        [
            'finetune_memdpc',
            *DEMO,
            '--pretrained',
            'encoder.pth',
            '--cfg-options',
            'model.cls_head.num_classes=5',
        ],
        r'the class count differs from the list: model\.cls_head\.num_classes is 5 but '
        r'data/demo/train\.txt has 3 classes; set it to 3',
    ),
    'class without training': (
        ['scratch_memdpc', *DEMO, '--cfg-options', 'train_dataloader.dataset.ann_file=two.txt'],
        r'1 of the classes of data/demo/test\.txt have no video in two\.txt \(the first is 2\)',
    ),
    'no labels': (
        [
            'scratch_memdpc',
            *DEMO,
            '--cfg-options',
            'train_dataloader.dataset.ann_file=unlabelled.txt',
        ],
        r'13 of the 13 videos of unlabelled\.txt have no label',
    ),
    'label beyond the classes': (
        ['scratch_memdpc', *DEMO, '--cfg-options', 'train_dataloader.dataset.ann_file=beyond.txt'],
        'label 3 is out of range',
    ),
    'blocks': (
        ['scratch_dpc', *DEMO, '--cfg-options', 'num_blocks=0'],
        'num_blocks must be a whole number of at least 1, not 0',
    ),
}


@pytest.fixture(scope='module')
def world(tmp_path_factory):
    """A folder with ``data/demo``, checkpoints, and everything in RUNS and ERRORS run in it."""
    root = tmp_path_factory.mktemp('online')
    made = make_probe_set(root)
    demo = root / 'data' / 'demo'
    demo.mkdir(parents=True)
    (demo / 'videos').symlink_to(made.videos)
    gallery = made.gallery.read_text()
    for name, text in (
        ('train.txt', gallery),
        ('test.txt', made.query.read_text()),
        ('classes.txt', 'still\nslow\nfast\n'),
    ):
        (demo / name).write_text(text)
    lines = gallery.splitlines(True)
    (root / 'two.txt').write_text(''.join(line for line in lines if not line.endswith(' 2\n')))
    (root / 'unlabelled.txt').write_text(re.sub(r' \d\n', ' -1\n', gallery))
    (root / 'beyond.txt').write_text(gallery.replace(' 2\n', ' 3\n'))
    write_checkpoints(root, made.pretraining)
    stages = []
    for name, (config, checkpoint, *options) in RUNS.items():
        stages.append(
            dict(
                env={},
                log=f'{name}.log',
                args=[
                    config,
                    *DEMO,
                    '--work-dir',
                    name,
                    *(['--pretrained', checkpoint] if checkpoint else []),
                    '--cfg-options',
                    *SMALL,
                    *options,
                ],
            )
        )
    stages += [dict(env={}, log=f'{name}.log', args=args) for name, (args, _) in ERRORS.items()]
    codes = run_stages(stages, root)
    logs = {
        name: (code, (root / f'{name}.log').read_text())
        for name, code in zip([*RUNS, *ERRORS], codes)
    }
    return root, logs


def write_checkpoints(root, pretraining):
    torch.save({'state_dict': {'unrelated.weight': torch.zeros(1)}}, root / 'unrelated.pth')
    torch.save({'state_dict': weights(root / 'encoder.pth')}, root / 'bare.pth')
    save_checkpoint(
        pretraining, root / 'untracked.pth', **{'model.backbone.track_running_stats': False}
    )
    torch.manual_seed(0)
    init_default_scope('mmaction')
    model = MODELS.build(dict(CLIP_MODEL, backbone=dict(CLIP_MODEL['backbone'], pretrained=None)))
    torch.save(
        dict(
            meta=dict(cfg=Config(dict(model=CLIP_MODEL)).pretty_text), state_dict=model.state_dict()
        ),
        root / 'slow_only.pth',
    )


@pytest.mark.parametrize('name', RUNS)
def test_it_trains_and_reports_accuracies(world, name):
    root, logs = world
    code, log = logs[name]
    assert code == 0, log[-3000:]
    entries = [entry for entry in scalars(root / name) if 'acc/top1' in entry]
    assert len(entries) == 1 and all(0 <= entry['acc/top1'] <= 1 for entry in entries)
    assert {'acc/mean_class', 'acc/loss'} <= set(entries[0]) and 'acc/top5' not in entries[0]
    checkpoint = RUNS[name][1]
    if checkpoint not in (None, 'random'):
        assert re.search(rf'{checkpoint}: \d+ keys loaded, 0 missing, [1-9]\d* unexpected', log)
    assert 'do not match exactly' not in log  # mmengine's own words


@pytest.mark.parametrize('name', ['linear', 'mlp', 'slow only'])
def test_frozen_means_frozen(world, name):
    """After a whole run, with its checkpoints and its loading: every bit of the encoder."""
    root, _ = world
    before, after = weights(root / RUNS[name][1]), weights(root / name / 'epoch_1.pth')
    encoder = [key for key in after if not key.startswith('cls_head.')]
    assert encoder == [key for key in before if key.startswith(('backbone.', 'neck.'))]
    different = [key for key in encoder if not torch.equal(before[key], after[key])]
    if name == 'slow only':  # norm_eval=False
        assert different == [
            key
            for key in encoder
            if key.endswith(('running_mean', 'running_var', 'num_batches_tracked'))
        ]
    else:
        assert not different
    optimizer = load_checkpoint_file(root / name / 'epoch_1.pth')['optimizer']
    assert len(optimizer['state']) == len(
        dict(
            MODELS.build(
                config_from_checkpoint(load_checkpoint_file(root / name / 'epoch_1.pth')).model
            ).cls_head.named_parameters()
        )
    )


def test_the_architecture_follows_the_checkpoint(world):
    root, _ = world
    trained = config_from_checkpoint(load_checkpoint_file(root / 'mlp' / 'epoch_1.pth'))
    model = trained.model
    assert model.backbone.base_channels == 4 and not model.neck.get('bidirectional')
    assert (model.cls_head.num_classes, model.cls_head.hidden_channels) == (3, 6)
    assert model.data_preprocessor.mean == [123.675, 116.28, 103.53]
    clip = config_from_checkpoint(load_checkpoint_file(root / 'slow only' / 'epoch_1.pth')).model
    assert clip.backbone.type == 'ResNet3dSlowOnly' and clip.backbone.pretrained is None
    assert clip.data_preprocessor.std == [4.0, 5.0, 6.0]
    assert trained.pretrained.checkpoint == 'encoder.pth' and len(trained.pretrained.hash) == 16
    untrained = config_from_checkpoint(load_checkpoint_file(root / 'random' / 'epoch_1.pth'))
    assert untrained.pretrained == dict(checkpoint='random', hash=None)


def test_one_key_sets_the_blocks(world):
    root, _ = world
    contents = load_checkpoint_file(root / 'dpc' / 'epoch_1.pth')
    trained = config_from_checkpoint(contents)
    assert trained.model.num_blocks == 3
    for loader in ('train', 'val', 'test'):
        view = view_of(trained[f'{loader}_dataloader'])
        assert view.num_blocks == 3 and view.num_frames == 15


@pytest.mark.parametrize('name', ['dpc', 'scratch', 'slow only', 'sstl'])
def test_a_test_makes_a_record(world, name, monkeypatch, capsys):
    root, _ = world
    monkeypatch.chdir(root)
    main(
        [
            RUNS[name][0],
            *DEMO,
            f'{name}/epoch_1.pth',
            '--work-dir',
            name,
            '--no-baselines',
            '--dump',
            f'{name}.npz',
            '--cfg-options',
            'test_dataloader.num_workers=0',
        ]
    )
    [record] = json.loads((root / name / 'results.json').read_text())
    assert record['protocol'] == PROTOCOLS[name] and record['kind'] == 'encoder'
    assert record['dataset'] == 'demo videos' and record['unit'] == 'percent'
    assert (record['num_queries'], record['num_gallery'], record['num_classes']) == (7, 13, 3)
    assert record['split'] == dict(gallery='train.txt', query='test.txt')
    assert record['checkpoint_hash'] and record['seed'] == 0
    assert record['options']['pretrained'] == RUNS[name][1] and record['options']['epoch'] == 1
    assert record['chance']['top1'] == pytest.approx(100 / 3)
    top1 = record['metrics']['top1']
    assert top1['low'] <= top1['value'] <= top1['high']
    views = dict(
        dpc='windows of 15 frames at stride 3, 3 blocks, center crop of 64 out of 72',
        scratch='10 uniform windows of 16 frames at stride 4, three crops of 72',
        sstl='5 uniform windows of 16 frames at stride 1, center crop of 64',
    ).get(
        name,
        'five crops of 64 out of 72 and their mirror images'
        if 'slow' not in name
        else 'three crops',
    )
    assert views in record['views']
    dumped = load_result_file(f'{name}.npz')
    assert isinstance(dumped, ClassScores) and dumped.info['protocol'] == PROTOCOLS[name]
    assert dumped.names == [f'query {i}.mp4' for i in range(7)]
    np.testing.assert_array_equal(dumped.labels, np.arange(7) % 3)
    assert 100 * (dumped.probabilities.argmax(1) == dumped.labels).mean() == pytest.approx(
        top1['value']
    )
    assert f'results are in {name}' in ''.join(capsys.readouterr())


def test_baselines_stand_beside_it(world, monkeypatch, capsys):
    """On by default; the motion map tells these classes apart, and it is said."""
    root, _ = world
    monkeypatch.chdir(root)
    main(
        [
            'nonlinear_online_memdpc',
            *DEMO,
            'mlp/epoch_1.pth',
            '--out',
            'with.json',
            '--cfg-options',
            'test_dataloader.num_workers=0',
        ]
    )
    records = json.loads((root / 'with.json').read_text())
    by_name = {record['subject']: record for record in records}
    assert {'majority class', 'first frame', 'motion map', 'epoch_1.pth'} <= set(by_name)
    majority = by_name['majority class']
    assert majority['metrics']['top1']['value'] == pytest.approx(100 * 3 / 7)
    assert (majority['protocol'], majority['kind']) == ('mlp/online', 'baseline')
    motion = by_name['motion map']
    assert motion['protocol'] == 'linear/cached' and 'center window' in motion['views']
    assert motion['metrics']['top1']['value'] > 60
    assert by_name['epoch_1.pth']['protocol'] == 'mlp/online'
    assert 'motion map' in ''.join(capsys.readouterr())


def test_a_record_says_how_the_checkpoint_was_trained(world, monkeypatch, capsys):
    """Not what the config at hand is for."""
    root, _ = world
    monkeypatch.chdir(root)
    main(
        [
            'finetune_memdpc',
            *DEMO,
            'linear/epoch_1.pth',
            '--out',
            'mixed.json',
            '--cfg-options',
            'test_dataloader.num_workers=0',
            'classification.baselines=False',
        ]
    )
    [record] = json.loads((root / 'mixed.json').read_text())
    assert record['protocol'] == 'linear/online'
    assert record['options']['pretrained'] == 'encoder.pth'
    assert "was trained as 'linear/online', not as 'finetune'" in ''.join(capsys.readouterr())


def test_two_processes_give_exactly_the_figures_of_one(world):
    """Seven videos: the sampler repeats one."""
    root, _ = world
    options = ['--no-baselines', '--cfg-options', 'test_dataloader.num_workers=0']
    for tool, count, out in (
        (REPO / 'tools' / 'test.py', None, 'one'),
        (REPO / 'tools' / 'dist_test.sh', 2, 'two'),
    ):
        command = (
            [sys.executable, tool, 'finetune_memdpc', 'finetune/epoch_1.pth']
            if count is None
            else [tool, 'finetune_memdpc', 'finetune/epoch_1.pth', count]
        )
        done = run(*command, *DEMO, '--work-dir', out, '--dump', f'{out}.npz', *options, cwd=root)
        assert done.returncode == 0, done.stdout[-3000:]
    one, two = (json.loads((root / out / 'results.json').read_text()) for out in ('one', 'two'))
    assert len(two) == 1
    for key in set(one[0]) - {'time'}:
        assert one[0][key] == two[0][key], key
    first, second = (load_result_file(root / f'{out}.npz') for out in ('one', 'two'))
    assert first.names == second.names
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


def test_a_bad_video_is_left_out_and_named(world, monkeypatch, tmp_path):
    root, _ = world
    monkeypatch.chdir(root)
    (tmp_path / 'videos').mkdir()
    for path in (root / 'videos').iterdir():
        (tmp_path / 'videos' / path.name).write_bytes(path.read_bytes())
    (tmp_path / 'videos' / 'query 3.mp4').write_bytes(b'no video')
    main(
        [
            'finetune_memdpc',
            *DEMO,
            'finetune/epoch_1.pth',
            '--out',
            str(tmp_path / 'r.json'),
            '--no-baselines',
            '--dump',
            str(tmp_path / 'd.npz'),
            '--cfg-options',
            'test_dataloader.num_workers=0',
            'test_dataloader.dataset.max_bad_share=0.5',
            f'test_dataloader.dataset.data_prefix.video={tmp_path / "videos"}',
        ]
    )
    [record] = json.loads((tmp_path / 'r.json').read_text())
    assert record['num_queries'] == 6
    [(name, reason)] = record['unreadable']['query']
    assert name.endswith('query 3.mp4') and reason
    assert 'query 3.mp4' not in load_result_file(tmp_path / 'd.npz').names


def test_a_resumed_run_goes_on_from_itself(world):
    """It needs no --pretrained, keeps the architecture and remembers what it began with."""
    root, _ = world
    [code] = run_stages(
        [
            dict(
                env={},
                log='resumed.log',
                args=[
                    'linear_online_memdpc',
                    *DEMO,
                    '--work-dir',
                    'linear',
                    '--resume',
                    '--cfg-options',
                    *SMALL,
                    'train_cfg.max_epochs=2',
                ],
            )
        ],
        root,
    )
    log = (root / 'resumed.log').read_text()
    assert code == 0, log[-3000:]
    assert 'Epoch(train) [2]' in log and 'Epoch(train) [1]' not in log
    trained = config_from_checkpoint(load_checkpoint_file(root / 'linear' / 'epoch_2.pth'))
    assert trained.pretrained.checkpoint == 'encoder.pth'
    assert trained.model.backbone.base_channels == 4


@pytest.mark.parametrize('case', ERRORS)
def test_error_is_one_sentence_before_training(world, case):
    _, logs = world
    code, log = logs[case]
    assert code == 1, log
    assert 'Traceback' not in log and 'Epoch(' not in log
    assert re.search(ERRORS[case][1], last_line(log)), last_line(log)


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (
            ['finetune_memdpc', *DEMO, 'encoder.pth'],
            'holds a DensePredictiveCoding, not the trained',
        ),
        (['finetune_memdpc', *DEMO, 'scratch/epoch_1.pth'], 'holds a ClipClassifier, not the'),
        (
            [
                'finetune_memdpc',
                *DEMO,
                'finetune/epoch_1.pth',
                '--cfg-options',
                'test_dataloader.dataset.ann_file=beyond.txt',
                'test_dataloader.dataset.classes=None',
            ],
            'the class count differs from the list: the model tells 3 classes apart and beyond.txt '
            'has 4',
        ),
        (
            [
                'finetune_memdpc',
                *DEMO,
                'finetune/epoch_1.pth',
                '--cfg-options',
                'test_dataloader.dataset.ann_file=unlabelled.txt',
            ],
            'have no label',
        ),
        (
            ['memdpc_demo', 'encoder.pth', '--dump', 'x.npz'],
            '--dump is for configs with an evaluation or classification or',
        ),
    ],
)
def test_mistakes_of_a_test_end_in_one_sentence(world, monkeypatch, capsys, arguments, words):
    root, _ = world
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit):
        errors.run(
            lambda: main(
                [*arguments, '--work-dir', 'mistakes']
                if '--cfg-options' not in arguments
                else [*arguments[:4], '--work-dir', 'mistakes', *arguments[4:]]
            )
        )
    printed = ''.join(capsys.readouterr())
    assert 'Traceback' not in printed
    assert words in last_line(printed)


def test_the_released_test_is_a_config(world, monkeypatch):
    """Frames in [0, 1] and jittered; the trained model's other settings stay."""
    root, _ = world
    monkeypatch.chdir(root)
    released = load('finetune_memdpc_releasedtest', 'ucf101')
    assert released.model.data_preprocessor.normalize_test is False
    kinds = [step.type for step in pipeline_of(released.test_dataloader)]
    assert kinds.index('VideoColorJitter') == kinds.index('SplitBlocks') - 1
    found = {}
    for switch in (True, False):
        out = root / f'normalize_{switch}.npz'
        main(
            [
                'finetune_memdpc',
                *DEMO,
                'finetune/epoch_1.pth',
                '--work-dir',
                'released',
                '--no-baselines',
                '--dump',
                str(out),
                '--cfg-options',
                'test_dataloader.num_workers=0',
                f'model.data_preprocessor.normalize_test={switch}',
            ]
        )
        scores = load_result_file(out)
        found[switch] = scores.probabilities
        assert scores.info['options'].get('normalize_test', True) is switch
    assert not np.allclose(found[True], found[False], atol=1e-4)
