"""TV-L1 flow of real files: what it measures, and what becomes of a set with bad videos in it."""

import faulthandler
import os
import shutil
import signal

import cv2
import numpy as np
import pytest

from helpers.flow_videos import moving_frames, write_moving_video
from helpers.videos import numbered_frames, stream_copy_cut, write_video
from mmssl_video.datasets import flow_extraction as flow_module
from mmssl_video.datasets.decoding import VideoSource
from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.flow_extraction import (
    extract_flow,
    extract_video,
    find_videos,
    flow_between,
    resized,
    tvl1,
)
from mmssl_video.datasets.flow_format import to_bytes, to_pixels
from mmssl_video.datasets.transforms.flow_input import open_flow

INNER = np.s_[:, 12:-12, 12:-12]  # away from the borders, where the picture comes in


# ------------------------------------------------------------------------------ what is measured


@pytest.mark.parametrize('move', [(2, -1), (-3, 0), (0, 4)])
def test_flow_of_a_moving_texture_is_its_displacement(move):
    flows = np.stack(list(flow_between(moving_frames(4, move))))
    assert flows.shape == (3, 64, 96, 2) and flows.dtype == np.uint8
    measured = to_pixels(flows)[INNER]
    assert np.abs(np.median(measured, axis=(0, 1, 2)) - move).max() < 0.12
    assert np.abs(measured - move).mean() < 0.2


def test_flow_over_several_frames():
    frames = moving_frames(6, (1, 1))
    flows = np.stack(list(flow_between(frames, step=3)))
    assert len(flows) == 3
    assert np.abs(np.median(to_pixels(flows)[INNER], axis=(0, 1, 2)) - 3).max() < 0.12
    assert list(flow_between(frames[:3], step=3)) == []


def test_resized_frames_move_less():
    frames = moving_frames(4, (4, -2), size=(96, 144))
    flows = np.stack(list(flow_between(frames, resize=48)))
    assert flows.shape == (3, 48, 72, 2)
    assert np.abs(np.median(to_pixels(flows)[INNER], axis=(0, 1, 2)) - (2, -1)).max() < 0.12
    assert resized(240, 320, 256) == (256, 341) and resized(320, 240, 0) == (320, 240)


def test_long_displacements_are_clipped():
    flows = np.stack(list(flow_between(moving_frames(3, (4, -4)), bound=2)))
    assert np.median(flows[INNER][..., 0]) == 255 and np.median(flows[INNER][..., 1]) == 0


def test_mirrored_video_has_mirrored_flow_with_u_negated():
    """What ``VideoFlip`` assumes."""
    frames = moving_frames(4, (2, 1))
    flows = np.stack(list(flow_between(frames))).astype(int)
    mirrored = np.stack(
        list(flow_between([np.ascontiguousarray(frame[:, ::-1]) for frame in frames]))
    ).astype(int)[:, :, ::-1]
    assert np.abs(mirrored[..., 0] - (255 - flows[..., 0]))[INNER].mean() < 1
    assert np.abs(mirrored[..., 1] - flows[..., 1])[INNER].mean() < 1
    assert np.abs(mirrored[..., 0] - flows[..., 0])[INNER].mean() > 20


def test_a_pair_does_not_depend_on_those_before_it():
    frames = moving_frames(4, (2, 1))
    together = list(flow_between(frames))
    for t, flow in enumerate(together):
        first, second = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames[t : t + 2])
        assert np.array_equal(flow, to_bytes(tvl1().calc(first, second, None)))


def test_opencv_without_contrib_is_named(monkeypatch, videos, tmp_path):
    words = 'needs a working cv2.optflow.*pip install opencv-contrib-python=='
    monkeypatch.delattr(cv2.optflow, 'DualTVL1OpticalFlow_create')
    with pytest.raises(RuntimeError, match=words):
        tvl1()
    monkeypatch.delattr(cv2, 'optflow')
    with pytest.raises(RuntimeError, match=words):
        extract_flow(SOUND, videos, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


# ------------------------------------------------------------------------------ reading videos


@pytest.mark.parametrize(
    'name, arguments',
    [
        ('a.mp4', {}),
        ('b.avi', dict(codec='mpeg4', b_frames=2)),
        (
            'open.mp4',
            dict(gop=20, b_frames=3, options={'x264-params': 'open-gop=1:b-adapt=0:scenecut=0'}),
        ),
    ],
)
def test_frames_one_after_the_other_are_those_by_number(tmp_path, name, arguments):
    source = VideoSource(write_video(tmp_path / name, numbered_frames(50), **arguments))
    frames = list(source.iter_frames())
    assert len(frames) == len(source) == 50
    by_number = VideoSource(tmp_path / name).get_frames(range(50))
    assert all(np.array_equal(frame, by_number[i]) for i, frame in enumerate(frames))


def test_frames_of_a_cut_begin_where_players_begin(tmp_path):
    write_video(tmp_path / 'a.mov', numbered_frames(90), gop=30, b_frames=2)
    source = VideoSource(stream_copy_cut(tmp_path / 'a.mov', tmp_path / 'cut.mp4', 1.3))
    frames = list(source.iter_frames())
    assert source.probe.way == 'seek' and len(frames) == len(source) < 90
    by_number = source.get_frames(range(len(source)))
    assert all(np.array_equal(frame, by_number[i]) for i, frame in enumerate(frames))


def test_frames_that_cannot_be_decoded_are_missed(tmp_path):
    path = write_video(tmp_path / 'a.mp4', numbered_frames(40), gop=5)
    source = VideoSource(path)
    source.probe.total_frames += 1
    with pytest.raises(BadVideoError, match='damaged: only 40 of its 41 frames can be decoded'):
        list(source.iter_frames())


# ------------------------------------------------------------------------------ sets of videos


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """Three sound videos, one of a single frame, and two that are none; with a list of all."""
    root = tmp_path_factory.mktemp('flow') / 'videos'
    for i, name in enumerate(('a/one.mp4', 'a/two é.avi', 'b/three 3.mp4')):
        write_moving_video(root / name, 5, move=(i - 1, 1), size=(32, 48), seed=i)
    write_moving_video(root / 'b/still.mp4', 1, size=(32, 48))
    (root / 'b/empty.mp4').write_bytes(b'')
    (root / 'b/text.mp4').write_text('no video')
    lines = [
        'a/one.mp4 0',
        'a/two é.avi 0',
        'b/three 3.mp4 1',
        'b/still.mp4 1',
        'b/empty.mp4 1',
        'b/text.mp4 1',
        'b/gone.mp4 1',
    ]
    (root.parent / 'list.txt').write_text('\ufeff' + '\r\n'.join(lines) + '\n', encoding='utf-8')
    return root


SOUND = ['a/one.mp4', 'a/two é.avi', 'b/three 3.mp4']


@pytest.mark.parametrize('kind, workers', [('mp4', 2), ('jpeg', 1)])
def test_a_list_with_bad_videos(videos, tmp_path, kind, workers):
    names, root = find_videos([videos.parent / 'list.txt'], videos)
    seen = []
    report = extract_flow(
        names,
        root,
        tmp_path / 'out',
        kind,
        workers,
        progress=lambda report: seen.append(report.made + report.there + len(report.bad)),
    )
    assert (report.total, report.made, report.there, report.flows) == (7, 3, 0, 12)
    assert seen == list(range(1, 8))
    assert set(report.bad) == set(names) - set(SOUND)
    assert report.bad['b/still.mp4'] == 'has 1 frame; flow over 1 frame needs at least 2'
    assert report.bad['b/empty.mp4'] == 'the file is empty (0 bytes)'
    assert 'cannot be opened as a video' in report.bad['b/text.mp4']
    assert report.bad['b/gone.mp4'] == 'no such file'
    suffix = dict(mp4='.flow.mp4', jpeg='.flow')[kind]
    for i, name in enumerate(SOUND):
        reader = open_flow(tmp_path / 'out' / (name + suffix))
        assert len(reader) == 4 and reader.fps == 25
        flow = np.stack(list(reader.get_frames(range(4)).values()))
        expected = list(flow_between(VideoSource(videos / name).iter_frames()))
        error = np.abs(flow[..., :2].astype(int) - np.stack(expected))
        assert error.max() == 0 if kind == 'mp4' else error.mean() < 0.5
        assert abs(np.median(to_pixels(flow[..., 0])) - (i - 1)) < 0.3
    left = list((tmp_path / 'out').rglob('.*'))
    assert left == []


def test_whole_flow_is_kept_and_the_rest_is_made(videos, tmp_path):
    for kind, suffix in (('mp4', '.flow.mp4'), ('jpeg', '.flow')):
        out = tmp_path / kind
        extract_flow(SOUND, videos, out, kind)
        one, two = out / f'a/one.mp4{suffix}', out / f'a/two é.avi{suffix}'
        stamp = one.stat().st_mtime_ns
        if kind == 'mp4':
            two.write_bytes(two.read_bytes()[:-300])  # as after a full disk
            left = two.with_name(f'.{two.name}.0123abcd.partial')
            left.write_bytes(b'of a killed run')
        else:
            (two / 'flow_y_00002.jpg').unlink()
            left = two.with_name(f'.{two.name}.0123abcd.partial')
            left.mkdir()
        report = extract_flow(SOUND, videos, out, kind)
        assert (report.made, report.there, report.bad) == (1, 2, {})
        assert one.stat().st_mtime_ns == stamp and not left.exists()
        assert len(open_flow(two).get_frames(range(4))) == 4
        report = extract_flow(SOUND[:1], videos, out, kind, overwrite=True)
        assert (report.made, report.there) == (1, 0) and one.stat().st_mtime_ns != stamp


def test_flow_of_other_settings_is_not_mixed_in(videos, tmp_path):
    extract_flow(SOUND[:1], videos, tmp_path)
    with pytest.raises(
        ValueError,
        match='one.mp4.flow.mp4: the flow that is there was made with '
        'bound 20 instead of 10, resize 0 instead of 24: give',
    ):
        extract_flow(SOUND, videos, tmp_path, bound=10, resize=24)
    assert len(list(tmp_path.rglob('*.flow.mp4'))) == 1
    report = extract_flow(SOUND, videos, tmp_path, bound=10, resize=24, overwrite=True)
    assert report.made == 3
    extract_flow(SOUND[:1], videos, tmp_path, overwrite=True)
    report = extract_flow(SOUND[:2], videos, tmp_path)  # the first fits, the second does not
    assert report.there == 1 and 'bound 10 instead of 20' in report.bad['a/two é.avi']


def test_a_crash_is_put_down_to_its_video(videos, tmp_path, monkeypatch):
    sound = flow_module.extract_video

    def crash_on_two(video, target, **options):
        if 'two' in os.path.basename(video):
            faulthandler.disable()  # pytest would print a traceback
            os.kill(os.getpid(), signal.SIGSEGV)
        return sound(video, target, **options)

    monkeypatch.setattr(flow_module, 'extract_video', crash_on_two)
    report = extract_flow(SOUND, videos, tmp_path, workers=2)
    assert report.made == 2
    assert report.bad == {'a/two é.avi': 'crashed the process that read it (SIGSEGV)'}


def test_a_video_that_ends_early_leaves_no_flow(videos, tmp_path):
    source = videos / 'a/one.mp4'
    cut = tmp_path / 'cut.avi'
    write_moving_video(tmp_path / 'whole.avi', 30, move=(1, 0), size=(32, 48))
    cut.write_bytes((tmp_path / 'whole.avi').read_bytes()[:-4000])
    with pytest.raises(BadVideoError, match='truncated'):
        extract_video(cut, tmp_path / 'out/cut.avi.flow.mp4')
    assert not (tmp_path / 'out').exists()
    shutil.copy(source, tmp_path / 'one.mp4')
    assert extract_video(tmp_path / 'one.mp4', tmp_path / 'one.mp4.flow.mp4') == 4
    assert extract_video(tmp_path / 'one.mp4', tmp_path / 'one.mp4.flow.mp4') == -1


@pytest.mark.parametrize(
    'arguments, error, words',
    [
        (dict(names=[]), ValueError, 'no videos to extract flow from'),
        (
            dict(names=['x.mp4', 'y.mp4']),
            FileNotFoundError,
            'none of the 2 videos is there.*--root',
        ),
        (dict(kind='png'), ValueError, "format must be one of .*'png'"),
        (dict(workers=0), ValueError, 'workers must be at least 1'),
        (dict(step=0), ValueError, 'step must be at least 1'),
        (dict(resize=-1), ValueError, 'resize must be at least 0'),
    ],
)
def test_wrong_settings(videos, tmp_path, arguments, error, words):
    arguments = dict(dict(names=SOUND, root=videos, out=tmp_path / 'out'), **arguments)
    with pytest.raises(error, match=words):
        extract_flow(**arguments)
    assert not (tmp_path / 'out').exists()


# ------------------------------------------------------------------------------ lists and folders


def test_videos_of_lists_and_folders(videos, tmp_path):
    everything = sorted([*SOUND, 'b/empty.mp4', 'b/still.mp4', 'b/text.mp4'])
    assert find_videos([videos]) == (everything, videos)
    assert find_videos([videos / 'a'], videos) == (['a/one.mp4', 'a/two é.avi'], videos)
    assert find_videos([videos / 'a']) == (['one.mp4', 'two é.avi'], videos / 'a')
    listed, _ = find_videos([videos.parent / 'list.txt'], videos)
    assert sorted(listed) == sorted([*everything, 'b/gone.mp4'])
    times = tmp_path / 'times.txt'  # Oops: seconds, and a list without labels
    times.write_text('a/one.mp4 3.25\nb/three 3.mp4\na/two é.avi -1\n\n')
    assert find_videos([times, videos / 'a'], videos)[0] == [
        'a/one.mp4',
        'b/three 3.mp4',
        'a/two é.avi',
    ]


def test_packed_flow_in_a_folder_of_videos_is_no_video(videos, tmp_path):
    root = tmp_path / 'videos'
    shutil.copytree(videos / 'a', root)
    extract_flow(['one.mp4'], root, root)
    assert find_videos([root])[0] == ['one.mp4', 'two é.avi']


def test_wrong_sources(videos, tmp_path):
    (tmp_path / 'binary.txt').write_bytes(b'\xff\xfe')
    for sources, root, error, words in (
        ([videos.parent / 'list.txt'], None, ValueError, '--root is needed'),
        ([videos / 'a', videos / 'b'], None, ValueError, '--root is needed'),
        ([videos], videos / 'a', ValueError, 'does not lie in --root'),
        ([tmp_path / 'none.txt'], videos, FileNotFoundError, 'no list or folder'),
        ([videos.parent / 'list.txt'], tmp_path / 'none', FileNotFoundError, 'is not there'),
        ([tmp_path / 'binary.txt'], videos, ValueError, 'not UTF-8'),
    ):
        with pytest.raises(error, match=words):
            find_videos(sources, root)
