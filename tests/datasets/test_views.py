"""What an encoder sees of a video: one value, which the transforms of a pipeline write."""

import sys

import numpy as np
import pytest
from mmaction.registry import DATASETS, TRANSFORMS
from mmcv.transforms import BaseTransform
from mmengine.config import Config, ConfigDict

from helpers.videos import numbered_frames, write_video
from mmssl_video.datasets import VideoListDataset
from mmssl_video.datasets.pipelines import build_steps, steps_of
from mmssl_video.datasets.transforms import PerClip, SampleWindow, SplitBlocks
from mmssl_video.datasets.views import View, test_pipeline, view_after, view_of, with_blocks
from mmssl_video.settings.names import config_dir

TRAINING = dict(
    init=dict(type='VideoInit'),
    sample=dict(type='SampleWindow', num_frames=8, stride=2, short='pad'),
    decode=dict(type='DecodeFrames'),
    views=dict(
        type='PerClip',
        transforms=dict(
            crop=dict(type='RandomResizedCrop'),
            resize=dict(type='Resize', scale=(32, 32), keep_ratio=False),
            flip=dict(type='VideoFlip'),
            jitter=dict(type='VideoColorJitter', hue=0.1),
        ),
    ),
    blocks=dict(type='SplitBlocks', num_blocks=4),
    format=dict(type='FormatShape', input_format='NCTHW'),
    pack=dict(type='PackActionInputs'),
)
LOADER = dict(dataset=dict(type='VideoListDataset', pipeline=TRAINING))


# ---------------------------------------------------------------- reading


def test_a_view_is_read_from_named_steps_and_their_defaults():
    view = view_of(TRAINING)
    assert view == View(
        num_frames=8,
        stride=2,
        sampling='random',
        num_windows=1,
        short='pad',
        blocks=4,
        size=32,
        remarks=('mirrored at random', 'colours jittered'),
    )
    assert (view.block_frames, view.num_views, view.num_clips) == (2, 1, 4)
    default = view_of([dict(type='SampleWindow')])
    own = SampleWindow()
    assert (default.num_frames, default.stride) == (own.num_frames, own.stride)


def test_lists_names_built_transforms_and_classes_give_the_same():
    as_classes = steps_of(TRAINING)[:-2]
    as_classes[1] = dict(as_classes[1], type=SampleWindow)
    as_classes[4] = dict(as_classes[4], type='mmaction.SplitBlocks')
    built = build_steps(TRAINING)
    assert isinstance(built[3], PerClip)
    for pipeline in (steps_of(TRAINING), as_classes, built, ConfigDict(p=TRAINING).p):
        assert view_of(pipeline) == view_of(TRAINING)
    assert view_after(built) == view_of(TRAINING)
    assert view_of(None) == view_of([]) == view_of(Config()) == View()


def test_configs_loaders_and_datasets_lead_to_their_pipeline():
    flow = dict(LOADER['dataset'], modality='Flow', suffix='.flow.mp4')
    wrapped = dict(train_dataloader=dict(dataset=dict(type='RepeatDataset', dataset=flow)))
    places = [
        (TRAINING, 'sample'),
        (LOADER, 'dataset.pipeline.sample'),
        (LOADER['dataset'], 'pipeline.sample'),
        (dict(train_pipeline=TRAINING), 'train_pipeline.sample'),
        (Config(wrapped), 'train_dataloader.dataset.dataset.pipeline.sample'),
        (dict(dataset=dict(pipeline=steps_of(TRAINING))), 'dataset.pipeline.1'),
    ]
    for source, place in places:
        assert view_of(source).where['stride'] == (f'{place}.stride',), source
    view = view_of(wrapped)
    assert (view.modality, view.suffix, view.num_frames) == ('Flow', '.flow.mp4', 8)


def test_differences_name_the_values_and_the_keys_that_set_them():
    other = view_of(
        [
            dict(type='SampleFrames', clip_len=16, frame_interval=2),
            dict(type='Resize', scale=(-1, 64)),
            dict(type='CenterCrop', crop_size=56),
        ]
    )
    view = view_of(dict(train_dataloader=LOADER))
    key = 'train_dataloader.dataset.pipeline'
    assert view.differences(other) == [
        ('num_frames', 8, 16, (f'{key}.sample.num_frames',)),
        ('size', 32, 56, (f'{key}.views.transforms.resize.scale',)),
    ]
    assert other.differences(view)[0].keys == ('0.clip_len',)
    assert other.differences(view)[1].keys == ('1.scale', '2.crop_size')
    assert view.differences(view_of(with_blocks(TRAINING, 2)), ['block_frames', 'blocks']) == [
        ('blocks', 4, 2, (f'{key}.blocks.num_blocks',))
    ]
    assert view.differences(View()) == [], 'what is not known does not differ'


def test_keys_of_differences_can_be_set():
    cfg = Config(dict(train_dataloader=LOADER))
    other = view_of(cfg).update(num_frames=40, stride=9, size=99)
    for name, _, value, keys in view_of(cfg).differences(other):
        cfg.merge_from_dict({keys[-1]: (value, value) if name == 'size' else value})
    assert view_of(cfg).differences(other) == []


# ---------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    'steps, sentence, num_views',
    [
        (
            [
                dict(type='SampleWindow', num_frames=8, stride=1, mode='uniform', num_windows=3),
                dict(type='Resize', scale=(-1, 40)),
                dict(type='MultiCrop', crop_size=32, crops='three', flip=True),
                dict(type='SplitBlocks', num_blocks=4),
            ],
            '3 uniform windows of 8 frames at stride 1, 4 blocks, three crops of 32 out of 40 and '
            'their mirror images, mean over views',
            18,
        ),
        (
            [dict(type='SampleWindow', num_frames=40, mode='sliding', max_windows=64)],
            'at most 64 sliding windows of 40 frames at stride 3, mean over views',
            None,
        ),
        (
            [
                dict(type='SampleUnintentionalWindow', mode='sliding', step_frames=59),
                dict(type='Resize', scale=(-1, 128)),
                dict(type='MultiCrop', crop_size=128),
                dict(type='VideoColorJitter', p=0.3),
            ],
            'sliding windows of 40 frames at stride 3 moving by 59 frames, center crop of 128, '
            'colours jittered, mean over views',
            None,
        ),
        (
            [dict(type='SampleWindow', mode='sliding', overlap=0.25)],
            'sliding windows of 40 frames at stride 3 overlapping by 0.25, mean over views',
            None,
        ),
        (
            [dict(type='SampleWindow', mode='center'), dict(type='CenterCrop', crop_size=56)],
            'center windows of 40 frames at stride 3, CenterCrop 56, mean over views',
            1,
        ),
        (
            [dict(type='SampleTimedWindow', num_windows=2), dict(type='TenCrop', crop_size=56)],
            '2 random windows of 16 frames at stride 4, TenCrop 56, mean over views',
            20,
        ),
        (
            [
                dict(type='SampleFrames', clip_len=8, num_clips=5, test_mode=True),
                dict(type='Resize', scale=(-1, 64)),
                dict(type='ThreeCrop', crop_size=48),
                dict(type='ColorJitter'),
            ],
            '5 clips of 8 frames at stride 1, ThreeCrop 48 out of 64, colours jittered, mean over '
            'views',
            15,
        ),
        (
            [dict(type='SampleFrames', clip_len=1, num_clips=4)],
            '4 clips of 1 frames at stride 1, mean over views',
            1,
        ),
        (
            [dict(type='DenseSampleFrames', clip_len=4, num_clips=1, test_mode=True)],
            '10 clips of 4 frames at stride 1, mean over views',
            10,
        ),
        (
            [dict(type='UniformSample', clip_len=8)],
            '1 clips of 8 frames, mean over views',
            1,
        ),
        ([], 'mean over views', None),
    ],
)
def test_sentences(steps, sentence, num_views):
    view = view_of(steps)
    assert view.sentence == sentence and view.num_views == num_views


def test_temporal_transforms_leave_what_they_leave():
    view = view_of(
        [
            dict(type='SampleWindow', num_frames=28, stride=1),
            dict(type='RepeatClips', times=2),
            dict(type='PlaybackRateDistortion', max_dropped=8),
            dict(type='TemporalRandomDropout', num_dropped=4),
            dict(type='TemporalRandomCrop', num_frames=12),
            dict(type='SplitBlocks', num_blocks=3),
        ]
    )
    assert (view.num_frames, view.block_frames, view.num_views, view.num_clips) == (12, 4, 2, 6)
    assert view.where['num_frames'] == ('0.num_frames', '4.num_frames')
    with pytest.raises(
        ValueError, match='^1: TemporalRandomCrop needs 12 frames and may get only 8'
    ):
        view_of(
            [
                dict(type='SampleWindow', num_frames=8),
                dict(type='TemporalRandomCrop', num_frames=12),
            ]
        )


# ---------------------------------------------------------------- what is not to be trusted


@pytest.fixture
def marked_module(tmp_path, monkeypatch):
    """A module that leaves a mark when it is imported."""
    (tmp_path / 'marked.py').write_text(
        f"open({str(tmp_path / 'mark')!r}, 'w').close()\nclass Sampler: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / 'mark'
    sys.modules.pop('marked', None)


@pytest.mark.parametrize('kind', ['marked.Sampler', 'marked', 'os.system', 'nothing', None, 3])
def test_what_is_not_registered_is_passed_over_and_never_imported(kind, marked_module):
    view = view_of(
        [dict(type=kind, num_frames=3, transforms=[dict(type=kind)]), *TRAINING.values()]
    )
    assert view == view_of(TRAINING) and 'marked' not in sys.modules
    assert not marked_module.exists()


def test_settings_that_make_no_sense_are_named_by_their_place():
    with pytest.raises(ValueError, match=r'dataset.pipeline.sample \(SampleWindow\) cannot be bui'):
        view_of(dict(dataset=dict(pipeline=dict(sample=dict(type='SampleWindow', stride=0)))))
    with pytest.raises(ValueError, match=r'0 \(SplitBlocks\) cannot be built: .*many'):
        view_of([dict(type='SplitBlocks', many=3)])
    with pytest.raises(TypeError, match='not the single step'):
        view_of(dict(type='SampleWindow'))


def test_reading_draws_nothing():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    view_of([dict(type='ColorJitter')])
    assert (np.random.get_state()[1] == before).all()


OURS = sorted(
    name
    for name, kind in TRANSFORMS.module_dict.items()
    if kind.__module__.startswith('mmssl_video.') and hasattr(kind, 'describe')
)
ARGUMENTS = dict(PerClip=dict(transforms=[]), MultiCrop=dict(crop_size=8))


@pytest.mark.parametrize('name', OURS)
def test_transforms_describe_themselves_wherever_they_stand(name):
    """On nothing and on a known view: neither fails, and the view that was given stays."""
    step = dict(type=name, **ARGUMENTS.get(name, {}))
    known = View(num_frames=80, stride=2, num_windows=1, size=16)
    for before in (View(), known):
        [transform] = build_steps([step])
        after = transform.describe(before)
        assert isinstance(after, View) and after.modality == before.modality
        assert view_after([transform], before) == after
        assert isinstance(after.sentence, str)
    assert known == View(num_frames=80, stride=2, num_windows=1, size=16)
    told = {key for keys in view_of([step]).where.values() for key in keys}
    assert all(key.startswith('0.') for key in told)
    for key in told:  # each is an argument that can be set
        TRANSFORMS.build(dict(step, **{key[2:]: getattr(transform, key[2:])}))


def test_all_that_changes_frames_describes_itself():
    assert len(OURS) >= 13 and {'SampleWindow', 'SplitBlocks', 'PerClip', 'RepeatClips'} < {*OURS}


# ---------------------------------------------------------------- a user's own


class KeyFrames(BaseTransform):
    """Every 10th frame of a video, from the first one."""

    def __init__(self, count=4, times=1):
        self.count, self.times = count, times

    def describe(self, view):
        return view.update(
            dict(num_frames='count', num_windows='times', stride=None),
            num_frames=self.count,
            stride=10,
            sampling='key frame',
            num_windows=self.times,
            test_steps=dict(sample=dict(type='KeyFramesOfAUser', count=self.count, times=2)),
        )

    def transform(self, results):
        results['frame_inds'] = np.tile(np.arange(self.count) * 10, self.times)
        results.update(clip_len=self.count, num_clips=self.times, frame_interval=10)
        return results


def test_a_users_own_sampler_takes_part_by_describe_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(TRANSFORMS.module_dict, 'KeyFramesOfAUser', KeyFrames)
    training = dict(TRAINING, sample=dict(type='KeyFramesOfAUser', count=8))
    view = view_of(training)
    assert view.where['num_frames'] == ('sample.count',) and view.num_clips == 4
    tests = test_pipeline(view, crop_share=0.8)
    assert view_of(tests).sentence == (
        '2 key frame windows of 8 frames at stride 10, 4 blocks, CenterCrop 32 out of 40, '
        'mean over views'
    )
    assert test_pipeline(view, count=6, crops='five')['sample'].count == 6
    write_video(tmp_path / 'a.mp4', numbered_frames(80))
    (tmp_path / 'list.txt').write_text('a.mp4 0\n')
    videos = dict(ann_file=str(tmp_path / 'list.txt'), data_prefix=dict(video=str(tmp_path)))
    assert VideoListDataset(pipeline=training, **videos)[0]['inputs'].shape == (4, 3, 2, 32, 32)
    dataset = VideoListDataset(pipeline=tests, test_mode=True, **videos)
    assert dataset[0]['inputs'].shape == (8, 3, 2, 32, 32) and dataset.view.num_clips == 8
    uneven = dict(training, blocks=dict(type='SplitBlocks', num_blocks=3))
    with pytest.raises(ValueError, match='a window of 8 frames cannot be split into 3 blocks'):
        VideoListDataset(pipeline=uneven, **videos)


# ---------------------------------------------------------------- writing


def test_test_pipelines_have_named_steps():
    steps = test_pipeline(view_of(TRAINING), num_windows=3)
    assert list(steps) == [
        *('init', 'sample', 'decode', 'resize', 'crop', 'blocks', 'format', 'pack')
    ]
    assert steps['sample'] == dict(
        type='SampleWindow', num_frames=8, stride=2, short='pad', mode='uniform', num_windows=3
    )
    assert steps['resize'].scale == (-1, 32) and steps['crop'].crop_size == 32
    assert steps['blocks'] == dict(type='SplitBlocks', num_blocks=4)
    sliding = test_pipeline(view_of(TRAINING), crops='three', crop_share=0.5, stride=1)
    assert (sliding['sample'].mode, sliding['sample'].stride) == ('sliding', 1)
    assert sliding['resize'].scale == (-1, 64)
    assert view_of(sliding).crop_share == 0.5 and view_of(sliding).crops == 3
    with pytest.raises(ValueError, match=r'crop_share must lie in \(0, 1\], got 2'):
        test_pipeline(view_of(TRAINING), crop_share=2)


@pytest.mark.parametrize('left_out', ['sample', 'views'])
def test_a_view_that_does_not_say_the_frames_gives_no_test_pipeline(left_out):
    with pytest.raises(ValueError, match='no training pipeline with SampleWindow and Resize'):
        test_pipeline(view_of(dict(TRAINING, **{left_out: None})))


def test_images_for_a_2d_network_give_no_test_pipeline_of_clips():
    steps = [dict(type='SampleFrames', clip_len=1), dict(type='Resize', scale=(32, 32))]
    with pytest.raises(ValueError, match='no training pipeline'):
        test_pipeline(view_of(steps))


def test_blocks_can_be_chosen():
    five = with_blocks(TRAINING, 5)
    assert view_of(five).blocks == 5 and view_of(five).num_frames == 10
    assert five['sample']['num_frames'] == 10 and TRAINING['sample']['num_frames'] == 8
    assert with_blocks(steps_of(TRAINING), 2)[1]['num_frames'] == 4
    whole = [dict(type='SampleWindow', num_frames=8)]
    assert with_blocks(whole, 3) == whole, 'windows that are not split stay'
    cropped = [
        dict(type='SampleWindow', num_frames=20),
        dict(type='TemporalRandomCrop', num_frames=16),
        SPLIT := dict(type='SplitBlocks', num_blocks=4),
    ]
    two = with_blocks(cropped, 2)
    assert [two[0]['num_frames'], two[1]['num_frames'], two[2]['num_blocks']] == [12, 8, 2]
    assert SPLIT['num_blocks'] == 4
    # the default of SplitBlocks counts as well
    assert with_blocks([dict(type='SampleWindow'), dict(type='SplitBlocks')], 3)[0] == dict(
        type='SampleWindow', num_frames=40 // SplitBlocks().num_blocks * 3
    )
    with pytest.raises(ValueError, match='no setting of the pipeline says the frames of a window'):
        with_blocks([dict(type='SplitBlocks')], 3)
    with pytest.raises(ValueError, match='num_blocks must be a whole number of at least 1'):
        with_blocks(TRAINING, 0)


# ---------------------------------------------------------------- shipped configs


def _pipelines():
    """Every different pipeline of the shipped configs, with the first config that has it."""
    seen = {}
    for path in sorted(config_dir().rglob('*.py')):
        if '_base_' in path.parts:
            continue
        cfg = Config.fromfile(path)
        for name in ('train', 'val', 'test'):
            loader = cfg.get(f'{name}_dataloader') or {}
            dataset = loader.get('dataset') or {}
            if dataset.get('pipeline'):
                seen.setdefault(str(dataset['pipeline']), (f'{path.stem}-{name}', dataset))
    return list(seen.values())


PIPELINES = _pipelines()


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """A file of 150 small frames, on which pipelines for flow run as well."""
    folder = tmp_path_factory.mktemp('views')
    write_video(folder / 'a.mp4', numbered_frames(150, (72, 96)))
    return folder


def test_there_are_pipelines_to_compare():
    assert len(PIPELINES) > 20


@pytest.mark.parametrize('name, config', PIPELINES, ids=[name for name, _ in PIPELINES])
def test_a_view_says_what_a_pipeline_gives(name, config, videos, monkeypatch):
    """The shape ``[N, C, T, H, W]`` of a real sample is what the view of its config says."""
    view = view_of(config)
    (videos / 'list.txt').write_text('a.mp4 1.5\n' if 'Oops' in config.type else 'a.mp4 0\n')
    config = dict(
        type=config.type,
        ann_file=str(videos / 'list.txt'),
        data_prefix=dict(video=str(videos)),
        pipeline=config.pipeline,
        test_mode=bool(config.get('test_mode')),
    )
    dataset = DATASETS.build(config)
    assert dataset.view == View(**{**vars(view), 'modality': 'RGB', 'suffix': ''})
    clips, channels, frames, height, width = dataset[0]['inputs'].shape
    assert (channels, frames, min(height, width)) == (3, view.block_frames, view.size)
    if view.num_clips is None:  # sliding windows
        assert clips % (view.crops * view.num_blocks) == 0
        assert clips <= (view.max_windows or clips) * view.crops * view.num_blocks
    else:
        assert clips == view.num_clips
