"""Unintentional actions end to end: pre-training, linear probe, test in two processes, surprise."""

import json
import sys

import mmcv
import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS

from helpers.tiny_run import CONFIG, REPO, run, run_ranks, run_stages, weights
from mmssl_video.apis import run_surprise
from mmssl_video.checkpoints import config_from_checkpoint, load_checkpoint_file
from mmssl_video.commands import errors, surprise, train
from mmssl_video.commands import test as testing
from mmssl_video.datasets import OopsDataset
from mmssl_video.datasets.demo_videos import make_demo_videos
from mmssl_video.datasets.transforms import DecodeFrames, VideoInit
from mmssl_video.evaluation import wilson_interval

OOPS = """
_base_ = {base!r}
_window = dict(type='SampleFailureWindow', num_frames=8, stride=2, num_blocks=4)
_steps = [
    dict(type='DecodeFrames'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='SplitBlocks', num_blocks=4),
    dict(type='LabelSteps'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=(
        'name', 'sample_idx', 'total_frames', 'avg_fps', 'step_starts', 'step_frames',
        'failure_frame')),
]
train_pipeline = [dict(type='VideoInit'), dict(_window, failure_probability=0.8), *_steps]
val_pipeline = [dict(type='VideoInit'), dict(_window, mode='sliding', step_frames=8), *_steps]
_train, _val = (
    dict(ann_file=f'{folder}/{{name}}.txt', data_prefix=dict(video='{folder}/videos'),
         pipeline=pipeline)
    for name, pipeline in (('train', train_pipeline), ('test', val_pipeline)))
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=_train)
val_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=_val)
test_dataloader = dict(batch_size=2, num_workers=0, dataset=_val)
visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])
model = dict(num_blocks=4)
train_cfg = dict(max_epochs=2)
unintentional = dict(dataset='tiny set')
del _window, _steps, _train, _val
"""


@pytest.fixture(scope='module')
def oops(tmp_path_factory):
    """Demo videos with failures, a pre-trained checkpoint and a config for them."""
    root = tmp_path_factory.mktemp('oops')
    data = root / 'data'
    # 2 classes of 5 videos: 3 of each for testing, of 40 frames, so that a process gets one more
    make_demo_videos(
        data,
        classes=2,
        per_class=5,
        size=(32, 48),
        frames=40,
        fps=10,
        test_share=0.6,
        failures=True,
    )
    lines = (data / 'test.txt').read_text().splitlines(keepends=True)
    (data / 'test.txt').write_text(''.join(lines[:5]))  # an odd number
    pretraining = root / 'tiny.py'
    pretraining.write_text(
        CONFIG.format(
            base=str(REPO / 'configs' / '_base_' / 'default_runtime.py'),
            batch_size=2,
            train_list=str(data / 'train.txt'),
            val_list=str(data / 'test.txt'),
            folder=str(data / 'videos'),
        )
        .replace("'VideoListDataset'", "'OopsDataset'")
        .replace('stride=1', 'stride=2')
    )
    config = root / 'oops.py'
    config.write_text(
        OOPS.format(base=str(REPO / 'configs/evaluation/unintentional_linear.py'), folder=data)
    )
    stages = [
        [
            pretraining,
            '--work-dir',
            root / 'pre',
            '--cfg-options',
            'train_cfg.max_epochs=1',
            'model.neck.bidirectional=True',
        ],
        [config, '--work-dir', root / 'linear', '--pretrained', root / 'pre/epoch_1.pth'],
    ]
    codes = run_stages(
        [dict(args=[str(word) for word in args], env={}, log=str(root / 'log')) for args in stages],
        cwd=root,
    )
    assert codes == [0, 0], (root / 'log').read_text()[-3000:]
    return root


def test_linear_probe_leaves_the_pretrained_weights_as_they_are(oops):
    before, after = weights(oops / 'pre/epoch_1.pth'), weights(oops / 'linear/epoch_2.pth')
    shared = [key for key in after if not key.startswith('cls_head')]
    assert {key.split('.')[0] for key in shared} == {'backbone', 'neck', 'predictor'}
    assert all(torch.equal(before[key], after[key]) for key in shared)


def test_testing_in_one_and_two_processes_gives_the_same_records(oops):
    checkpoint = oops / 'linear' / 'epoch_2.pth'
    dump = oops / 'scores.npz'
    one = run(
        sys.executable,
        REPO / 'tools' / 'test.py',
        oops / 'oops.py',
        checkpoint,
        '--out',
        oops / 'one.json',
        '--dump',
        dump,
        cwd=oops,
    )
    assert one.returncode == 0, one.stdout[-3000:]
    two = run_ranks(
        REPO / 'tools' / 'test.py',
        oops / 'oops.py',
        checkpoint,
        '--out',
        oops / 'two.json',
        '--launcher',
        'pytorch',
        cwd=oops,
    )
    assert [done.returncode for done in two] == [0, 0], two[0].stdout[-3000:]
    records, again = (json.loads((oops / f'{name}.json').read_text()) for name in ('one', 'two'))
    assert [r['subject'] for r in records] == [
        'majority class',
        'middle of the video',
        'epoch_2.pth',
    ]
    assert [r['metrics'] for r in records] == [r['metrics'] for r in again]
    record = records[-1]
    assert record['protocol'] == 'oops/linear' and record['dataset'] == 'tiny set'
    assert record['options']['pretrained'].endswith('pre/epoch_1.pth')
    assert set(record['metrics']) == {
        'top1',
        'mean_class',
        'intentional',
        'transitioning',
        'unintentional',
        'within_1s',
        'within_0.25s',
    }
    # 40 frames are 10 units of 4; the first of each video has no past
    # and units of a video are not independent: intervals count the videos that have such a unit
    assert record['num_queries'] == 5
    units, queries = (record['details'][key] for key in ('num_units', 'queries'))
    with np.load(dump) as file:
        labels, videos = file['labels'], [str(name).rsplit(' ', 2)[0] for name in file['names']]
    assert sum(units.values()) == 45 == len(labels) and len(set(videos)) == 5
    for label, name in enumerate(('intentional', 'transitioning', 'unintentional')):
        assert units[name] == (labels == label).sum()
        assert queries[name] == len({v for v, own in zip(videos, labels) if own == label}) <= 5
    assert queries['transitioning'] == 5 == queries['within_1s'] == queries['top1']
    assert record['chance']['top1'] == pytest.approx(100 / 3)
    for name, metric in record['metrics'].items():
        low, high = wilson_interval(metric['value'] / 100, queries[name])
        assert (metric['low'], metric['high']) == pytest.approx((100 * low, 100 * high))
    for word in ('sliding windows of 8 frames at stride 2', 'chance', 'transitioning', '5 queries'):
        assert word in one.stdout
    with np.load(dump) as file:
        assert file['probabilities'].shape == (45, 3)
        assert 100 * np.mean(file['probabilities'].argmax(1) == file['labels']) == pytest.approx(
            record['metrics']['top1']['value']
        )


def test_the_switch_for_baselines(oops):
    arguments = [oops / 'linear/epoch_2.pth', '--no-baselines', '--out', oops / 'bare.json']
    testing.main([str(word) for word in (oops / 'oops.py', *arguments)])
    assert [r['subject'] for r in json.loads((oops / 'bare.json').read_text())] == ['epoch_2.pth']
    with pytest.raises(
        ValueError,
        match='--no-baselines is for configs with an evaluation or .* part, which .* not have',
    ):
        testing.main([str(word) for word in (surprise_config(oops), *arguments)])


def test_it_says_that_it_needs_a_pretrained_encoder(oops):
    with pytest.raises(ValueError, match='name its checkpoint with --pretrained CKPT'):
        train.main([str(oops / 'oops.py'), '--work-dir', str(oops / 'none')])


@pytest.fixture(scope='module')
def surprised(oops):
    """Folder that the surprise tool wrote of the test list."""
    surprise.main(
        [
            str(word)
            for word in (
                oops / 'pre/epoch_1.pth',
                oops / 'data/test.txt',
                '--out',
                oops / 's1',
                '--num-workers',
                0,
            )
        ]
    )
    return oops / 's1'


def test_surprise_writes_records_curves_and_a_figure(oops, surprised):
    records = json.loads((surprised / 'results.json').read_text())
    assert [r['subject'] for r in records] == ['middle of the video', 'motion peak', 'epoch_1.pth']
    record = records[-1]
    assert record['protocol'] == 'surprise/peak' and record['num_queries'] == 5
    assert record['options'] == {'thresholds': [1.0, 0.25], 'min_observed': 2}
    assert len(record['warnings']) == (
        record['metrics']['within_1s']['low']
        <= max(r['metrics']['within_1s']['value'] for r in records[:2])
    )
    assert 25 < record['chance']['within_1s'] <= 50  # of 4 seconds
    with np.load(surprised / 'curves.npz') as file:
        assert file['counts'].tolist() == [10] * 5
        assert np.isnan(file['surprise'].reshape(5, 10)).tolist() == [[True] * 2 + [False] * 8] * 5
        np.testing.assert_allclose(
            file['failure'],
            [float(line.split()[1]) for line in (oops / 'data/test.txt').read_text().splitlines()],
        )
    assert (surprised / 'curves.png').stat().st_size > 5000


def surprise_config(oops):
    path = oops / 'surprise.py'
    path.write_text(
        f'_base_ = {str(REPO / "configs/evaluation/unintentional_surprise.py")!r}\n'
        "surprise = dict(dataset='demo videos with failures', num_workers=0,\n"
        f'    videos=dict(ann_file={str(oops / "data/test.txt")!r},\n'
        f'    data_prefix=dict(video={str(oops / "data/videos")!r})))\n'
    )
    return path


def assert_same_surprise(first, second):
    records, again = (
        json.loads((folder / 'results.json').read_text()) for folder in (first, second)
    )
    assert [r['metrics'] for r in records] == [r['metrics'] for r in again]
    with np.load(first / 'curves.npz') as one, np.load(second / 'curves.npz') as other:
        assert one['names'].tolist() == other['names'].tolist()
        np.testing.assert_array_equal(one['surprise'], other['surprise'])


def test_surprise_by_the_test_tool_and_a_config(oops, surprised, capsys):
    testing.main(
        [
            str(word)
            for word in (surprise_config(oops), oops / 'pre/epoch_1.pth', '--work-dir', oops / 's2')
        ]
    )
    text, progress = capsys.readouterr()
    assert 'surprise of videos: 5/5' in progress
    for word in ('demo videos with failures', 'within_0.25s', 'motion peak', 'chance', '5 queries'):
        assert word in text
    assert_same_surprise(surprised, oops / 's2')


def test_surprise_in_two_processes_is_the_same(oops, surprised):
    two = run_ranks(
        REPO / 'tools' / 'test.py',
        surprise_config(oops),
        oops / 'pre/epoch_1.pth',
        '--work-dir',
        oops / 's3',
        '--launcher',
        'pytorch',
        cwd=oops,
    )
    assert [done.returncode for done in two] == [0, 0], two[0].stdout[-3000:]
    assert_same_surprise(surprised, oops / 's3')


def test_records_of_a_dataset_without_a_list_name_its_type(oops):
    class OopsOfAUser(OopsDataset):
        def __init__(self, **settings):
            videos = dict(video=str(oops / 'data/videos'))
            super().__init__(str(oops / 'data/test.txt'), data_prefix=videos, **settings)

    DATASETS.register_module(module=OopsOfAUser)
    try:
        records, _ = run_surprise(oops / 'pre/epoch_1.pth', dict(type='OopsOfAUser'))
    finally:
        DATASETS.module_dict.pop('OopsOfAUser')
    assert {record['split']['query'] for record in records} == {'OopsOfAUser'}


def test_surprise_from_python_equals_a_slow_reference(oops):
    """One video, window by window and block by block, with the pre-training's own prediction."""
    path = min((oops / 'data/videos').rglob('*.mp4'))
    records, [curve] = run_surprise(oops / 'pre/epoch_1.pth', path, min_observed=1)
    assert not records and np.isnan(curve.failure) and curve.duration == 4.0
    contents = load_checkpoint_file(oops / 'pre/epoch_1.pth')
    model = MODELS.build(config_from_checkpoint(contents).model)
    model.load_state_dict(contents['state_dict'])
    model.eval()
    model.set_pred_steps(1)
    opened = VideoInit()(dict(filename=str(path)))
    opened['frame_inds'] = np.arange(40)
    frames = np.stack(
        [mmcv.imrescale(image, (np.inf, 32))[:, 8:40] for image in DecodeFrames()(opened)['imgs']]
    )
    blocks = torch.as_tensor(frames).permute(0, 3, 1, 2)
    found = {unit: [] for unit in range(10)}
    starts = [*range(0, 26, 4), 25]
    for start in starts:
        window = blocks[start : start + 16 : 2].unflatten(0, (4, 2)).transpose(1, 2)
        data = model.data_preprocessor(dict(inputs=[window], data_samples=None))['inputs']
        with torch.no_grad():
            features = model.encode(data)
            for block in range(1, 4):
                predicted = model.predict_future(features[:, :block])[0, 0]
                value = 1 - torch.cosine_similarity(features[0, block], predicted, dim=0).mean()
                for frame in range(start + 4 * block, min(start + 4 * block + 4, 40)):
                    found[frame // 4].append(float(value))
    assert not found[0] and np.isnan(curve.surprise[0])
    np.testing.assert_allclose(
        curve.surprise[1:], [np.mean(found[u]) for u in range(1, 10)], atol=1e-4
    )


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['missing.pth', 'data/test.txt'], 'missing.pth'),
        (['pre/epoch_1.pth', 'nothing'], 'give a list, a video file or a folder'),
        (['pre/epoch_1.pth', 'data/test.txt', '--min-observed', '4'], 'min_observed=4 must be'),
        (['random', 'data/test.txt'], '--encoder-config'),
        (
            ['random', 'data/test.txt', '--encoder-config', 'byol_demo'],
            'surprise needs',
        ),
    ],
)
def test_errors_of_surprise_in_one_sentence(oops, arguments, words):
    arguments = [str(oops / word) if (oops / word).exists() else word for word in arguments]
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        surprise.main([*arguments, '--out', str(oops / 's'), '--num-workers', '0'])
    assert errors.is_explicit(error.value)
    assert words in errors.sentence(error.value)
