"""Similarity of clips over time and under augmentation: plain references, and the tool itself."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config

from helpers.videos import numbered_frames, write_video
from mmssl_video.commands.similarity import main
from mmssl_video.datasets import VideoListDataset
from mmssl_video.datasets.pipelines import with_meta_keys
from mmssl_video.datasets.view_pipelines import augmented_pipeline
from mmssl_video.datasets.views import View, view_of
from mmssl_video.evaluation.clip_statistics import (
    against_distance,
    mean_and_interval,
    within_and_across,
)
from mmssl_video.settings.names import config_dir


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_against_distance_is_the_plain_mean_over_pairs_of_videos():
    rng = np.random.default_rng(0)
    videos = [(rng.normal(size=(5, 4)), np.linspace(0.1, 0.9, 5)) for _ in range(3)]
    found = against_distance(videos, num_bins=4)
    assert [point['pairs'] for point in found] == [12, 9, 6, 3]
    for steps, point in zip((1, 2, 3, 4), found):
        means = [np.mean([cosine(f[i], f[i + steps]) for i in range(5 - steps)]) for f, _ in videos]
        assert point['distance'] == pytest.approx(0.2 * steps)
        assert point['similarity'] == pytest.approx(np.mean(means))
        assert point['interval'] == pytest.approx(1.96 * np.std(means, ddof=1) / 3**0.5)


def test_a_walk_in_feature_space_gets_less_similar_with_time():
    rng = np.random.default_rng(0)
    videos = [(rng.normal(size=(20, 64)).cumsum(0), np.arange(20) / 20) for _ in range(30)]
    curve = [point['similarity'] for point in against_distance(videos)]
    assert np.all(np.diff(curve) < 0)


def test_within_and_across_videos():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(2, 6))
    videos = [centre + 0.1 * rng.normal(size=(3, 6)) for centre in centres]
    found = within_and_across(videos)
    own = [np.mean([cosine(v[i], v[j]) for i, j in ((0, 1), (0, 2), (1, 2))]) for v in videos]
    other = np.mean([[cosine(a, b) for b in videos[1]] for a in videos[0]])
    assert found['same video'] == pytest.approx(own)
    assert found['another video'] == pytest.approx([other, other])


def test_interval_and_errors():
    assert mean_and_interval([2.0]) == (2.0, 0.0)
    assert mean_and_interval([1.0, 3.0]) == (2.0, pytest.approx(1.96))
    with pytest.raises(ValueError, match='two clips'):
        against_distance([(np.ones((1, 3)), np.ones(1))])
    with pytest.raises(ValueError, match='two videos of two clips'):
        within_and_across([np.ones((2, 3))])


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('similarity')
    for i in range(4):
        write_video(folder / f'{i}.mp4', numbered_frames(60, (40, 48), first=60 * i))
    write_video(folder / 'short.mp4', numbered_frames(6, (40, 48)))
    (folder / 'broken.mp4').write_bytes(b'no video')
    (folder / 'list.txt').write_text('0.mp4\nshort.mp4\n1.mp4\nbroken.mp4\n2.mp4\n3.mp4\n')
    (folder / 'config.py').write_text(f"""
_base_ = '{config_dir()}/demo/sstl_demo.py'
model = dict(backbone=dict(depth=10, base_channels=4),
             projector=dict(in_channels=32), rate_head=dict(in_features=32))
train_dataloader = dict(dataset=dict(pipeline=dict(sample=dict(stride=1))))
""")
    return folder


def test_strength_zero_changes_nothing_and_more_drops_more(videos):
    view = view_of(Config.fromfile(videos / 'config.py'))
    spans = []
    for strength in (0, 6, 16):
        steps = augmented_pipeline(view, strength)
        drops = [step.get('num_dropped', step.get('max_dropped', 0)) for step in steps.values()]
        assert sum(drops) == strength
        steps = with_meta_keys(steps, ('frame_inds',))
        data = VideoListDataset(
            str(videos / 'list.txt'), steps, dict(video=str(videos)), test_mode=True
        )
        frames = [data[i]['data_samples'].metainfo['frame_inds'].reshape(2, 8) for i in (0, 2)]
        spans.append(np.mean([view[-1] - view[0] for pair in frames for view in pair]))
        assert (strength == 0) == all(np.array_equal(*pair) for pair in frames)
    assert spans[0] == 7 < spans[1] < spans[2]


def test_one_command_draws_all_panels(videos, tmp_path, capsys):
    out = tmp_path / 'figures' / 'similarity.png'
    main(
        [
            'random',
            'random',
            '--encoder-config',
            str(videos / 'config.py'),
            '--device',
            'cpu',
            '--videos',
            str(videos / 'list.txt'),
            '--root',
            str(videos),
            '--out',
            str(out),
            '--num-clips',
            '3',
            '--strengths',
            '0',
            '6',
        ]
    )
    assert out.read_bytes()[:4] == b'\x89PNG'
    results = json.loads(out.with_suffix('.json').read_text())
    assert list(results) == ['random (1)', 'random (2)']
    found = results['random (1)']
    assert found == results['random (2)']  # same seed, same frames
    assert [point['strength'] for point in found['strength']] == [0, 6]
    assert found['strength'][0]['similarity'] == pytest.approx(1, abs=1e-6)
    assert found['strength'][1]['similarity'] < found['strength'][0]['similarity']
    assert found['strength'][0]['clips'] == 5  # the short one too: its window is looped
    assert sum(point['pairs'] for point in found['distance']) == 4 * 3
    assert len(found['videos']['same video']) == 4
    said = capsys.readouterr().out
    assert '1 videos are unreadable and left out' in said and 'broken.mp4' in said
    assert '1 videos are no longer than a clip of 8 frames and left out: number 2' in said


def test_an_encoder_whose_windows_are_not_known_is_refused(videos, tmp_path):
    from mmssl_video.apis.clip_similarity import analyse_similarity

    # a sampler of a user's own that brings its test steps and says neither frames nor stride
    view = View(size=16, test_steps=dict(sample=dict(type='SamplerOfAUser')))
    encoder = SimpleNamespace(name='of a user', view=view)
    with pytest.raises(ValueError, match='does not say the frames and the stride'):
        analyse_similarity([encoder], str(videos / 'list.txt'), str(videos), tmp_path / 'x.png')


def test_encoders_of_other_frames_are_refused(videos, tmp_path):
    torch.manual_seed(0)
    from mmssl_video.apis import build_encoder
    from mmssl_video.apis.clip_similarity import analyse_similarity

    encoders = [
        build_encoder('random', config, device='cpu')
        for config in (videos / 'config.py', 'byol_demo.py')
    ]
    with pytest.raises(ValueError, match='trained on other frames than random'):
        analyse_similarity(encoders, str(videos / 'list.txt'), str(videos), tmp_path / 'x.png')
