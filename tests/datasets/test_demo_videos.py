"""The generated videos: real files, the same for a seed, and a class that is motion only."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from helpers import tiny_run
from mmssl_video.commands import run
from mmssl_video.datasets import demo_videos
from mmssl_video.datasets.demo_videos import MOTIONS, make_demo_videos, render_video

ROOT = Path(__file__).resolve().parents[2]
SMALL = dict(classes=3, per_class=3, size=(32, 48), frames=24, fps=10)


def read(path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format='rgb24') for f in container.decode(video=0)])


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()
    }


def test_files_and_lists(tmp_path):
    assert make_demo_videos(tmp_path / 'set', test_share=0.34, **SMALL)
    names = (tmp_path / 'set/classes.txt').read_text().split()
    assert names == list(MOTIONS)[:3]
    listed = {}
    for part, count in (('train', 2), ('test', 1)):
        lines = (tmp_path / f'set/{part}.txt').read_text().splitlines()
        assert len(lines) == 3 * count
        for line in lines:
            name, label = line.rsplit(maxsplit=1)
            assert name.split('/')[0] == names[int(label)]
            assert name not in listed
            listed[name] = int(label)
    files = sorted((tmp_path / 'set/videos').rglob('*.mp4'))
    assert {p.relative_to(tmp_path / 'set/videos').as_posix() for p in files} == set(listed)
    for path in files:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert 'mp4' in container.format.name
            assert stream.codec_context.name in ('h264', 'mpeg4')
            assert stream.average_rate == 10
        assert read(path).shape == (24, 32, 48, 3)
    meta = json.loads((tmp_path / 'set/meta.json').read_text())
    assert meta['generator_version'] == demo_videos.GENERATOR_VERSION
    assert meta['seed'] == 0 and meta['size'] == [32, 48]
    assert {p.name for p in (tmp_path / 'set').iterdir()} == {
        'videos',
        'train.txt',
        'test.txt',
        'classes.txt',
        'meta.json',
    }


@pytest.mark.parametrize('codec', ['libx264', 'mpeg4'])
def test_file_shows_what_was_drawn(tmp_path, codec):
    frames = render_video('orbit', np.random.default_rng(0), (64, 96), 30)
    demo_videos.write_video(tmp_path / 'a.mp4', frames, codec=codec)
    back = read(tmp_path / 'a.mp4')
    assert back.shape == frames.shape
    error = np.abs(back.astype(int) - frames).mean((1, 2, 3))
    assert error.max() < 10
    shifted = np.abs(back[5:].astype(int) - frames[:-5]).mean()
    assert error.mean() < shifted  # the frames are in their places


def test_same_seed_same_bytes_any_number_of_workers(tmp_path):
    make_demo_videos(tmp_path / 'a', **SMALL)
    make_demo_videos(tmp_path / 'b', workers=2, **SMALL)
    make_demo_videos(tmp_path / 'c', seed=1, **SMALL)
    a, b, c = (tree(tmp_path / name) for name in 'abc')
    assert a == b
    videos = [name for name in a if name.endswith('.mp4')]
    assert len(videos) == 9 and all(a[name] != c[name] for name in videos)
    assert len({a[name] for name in videos}) == 9


def test_a_set_that_is_there_is_kept_and_another_is_not_overwritten(tmp_path):
    make_demo_videos(tmp_path, **SMALL)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*.mp4')}
    assert not make_demo_videos(tmp_path, **SMALL)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*.mp4')} == stamps
    with pytest.raises(FileExistsError, match='another seed'):
        make_demo_videos(tmp_path, seed=1, **SMALL)
    next(iter(stamps)).unlink()  # a file got lost: made again
    assert make_demo_videos(tmp_path, **SMALL)
    assert make_demo_videos(tmp_path, overwrite=True, **{**SMALL, 'classes': 2})
    assert {p.name for p in (tmp_path / 'videos').iterdir()} == set(list(MOTIONS)[:2])


def test_run_cut_short_is_made_anew_and_foreign_videos_are_left_alone(tmp_path, monkeypatch):
    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_demo_videos(tmp_path / 'a', progress=stop, seed=1, **SMALL)
    assert not (tmp_path / 'a/meta.json').exists()
    assert make_demo_videos(tmp_path / 'a', **SMALL)
    make_demo_videos(tmp_path / 'b', **SMALL)
    assert tree(tmp_path / 'a') == tree(tmp_path / 'b')

    mine = tmp_path / 'c/videos/holiday/beach.mp4'
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b'x')
    with pytest.raises(FileExistsError, match='was not made here'):
        make_demo_videos(tmp_path / 'c', overwrite=True, **SMALL)
    assert mine.exists()


@pytest.mark.parametrize(
    'wrong,words',
    [
        (dict(classes=13), 'classes must be 2 to 12'),
        (dict(classes=1), 'classes must be 2 to 12'),
        (dict(per_class=0), 'per_class'),
        (dict(size=(95, 128)), 'even'),
        (dict(size=(16, 128)), 'at least 32'),
        (dict(frames=0), 'frames'),
        (dict(seed=-1), 'seed'),
        (dict(test_share=1.0), 'test_share'),
        (dict(per_class=1), 'test_share'),
        (dict(workers=0), 'workers'),
        (dict(codec='h265000'), 'no encoder h265000'),
    ],
)
def test_wrong_settings(tmp_path, wrong, words):
    with pytest.raises(ValueError, match=words) as info:
        make_demo_videos(tmp_path / 'set', **{**SMALL, **wrong})
    assert '\n' not in str(info.value)
    assert not (tmp_path / 'set').exists()


COMMAND = ROOT / 'tools/data/make_demo_videos.py'


def test_command(tmp_path):
    settings = '--classes 2 --per-class 2 --size 32x48 --frames 5'
    done = tiny_run.run('python', COMMAND, 'set', *settings.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert '4/4 videos' in done.stdout
    assert len(list((tmp_path / 'set/videos').rglob('*.mp4'))) == 4


@pytest.mark.parametrize(
    'arguments,words',
    [(['file'], 'file is a file'), (['set', '--classes', '40'], 'classes must be 2 to 12')],
)
def test_command_says_what_is_wrong_in_a_line(tmp_path, monkeypatch, capsys, arguments, words):
    (tmp_path / 'file').touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        run('demo-videos', arguments)
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert words in error and error.count('\n') == 1


# -- what the videos show -----------------------------------------------------------------------
def test_look_does_not_depend_on_the_motion():
    """With the same draws, two motions share background, camera and resting objects."""
    still = render_video(None, np.random.default_rng(3), (48, 64), 20, 10)
    for motion in MOTIONS:
        video = render_video(motion, np.random.default_rng(3), (48, 64), 20, 10)
        same = (np.abs(video.astype(int) - still).max(-1) < 2).mean()
        assert 0.4 < same < 1, motion


@pytest.mark.parametrize('motion', list(MOTIONS))
def test_motion_is_smooth_and_goes_on(motion):
    """No jumps between frames; movement in every part of the video."""
    states = demo_videos._object_states(motion, np.random.default_rng(0), 6, np.arange(150) / 30)
    moving = []
    for s in states:
        track = np.stack(
            [s.dx, s.dy, 0.1 * s.angle, 0.2 * s.zoom, 0.2 * s.stretch, 0.4 * s.spread, 0.4 * s.turn]
        )
        assert np.abs(np.diff(track, axis=1)).max() < 0.05  # frame heights from frame to frame
        parts = np.array_split(track, 4, axis=1)
        moving.append(min(np.ptp(part, axis=1).max() for part in parts) > 0.02)
    assert 4 <= sum(moving) <= 5  # one or two rest


def ridge_accuracy(x, y, x_test, y_test, weight):
    """Accuracy of a one-against-all ridge classifier on standardised inputs (dual form)."""
    mean, std = x.mean(0), x.std(0) + 1e-6
    x, x_test = (x - mean) / std, (x_test - mean) / std
    target = np.eye(y.max() + 1)[y]
    offset = target.mean(0)
    dual = np.linalg.solve(x @ x.T + weight * x.shape[1] * np.eye(len(x)), target - offset)
    return float((((x_test @ x.T) @ dual + offset).argmax(1) == y_test).mean())


def knn_accuracy(x, y, x_test, y_test, k=15):
    distance = (x**2).sum(1) - 2 * x_test @ x.T
    votes = y[np.argpartition(distance, k, axis=1)[:, :k]]
    return float(np.mean([np.bincount(v).argmax() == t for v, t in zip(votes, y_test)]))


def motion_descriptor(video: np.ndarray) -> np.ndarray:
    """Statistics of the optical flow of a video, blind to what things look like."""
    grey = [cv2.GaussianBlur(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), (0, 0), 1) for f in video]
    flow = np.stack(
        [
            cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 2, 9, 2, 5, 1.1, 0)
            for a, b in zip(grey[:-1], grey[1:])
        ]
    )
    (uy, ux), (vy, vx) = (np.gradient(flow[..., c], axis=(1, 2)) for c in (0, 1))
    fields = [flow[..., 0], flow[..., 1], ux + vy, vx - uy, ux - vy]
    size = np.array([np.abs(f).mean() for f in fields])
    lasting = np.array([np.abs(f.mean(0)).mean() for f in fields])
    return np.concatenate([np.log(size + 1e-4), np.log(lasting + 1e-4), size[1:] / size[0]])


@pytest.fixture(scope='module')
def sample():
    """Of 240 videos of 8 classes: still frames, motion descriptors, labels, held out or not."""
    frames, motion, labels, held_out = [], [], [], []
    for label, name in enumerate(list(MOTIONS)[:8]):
        for i in range(30):
            video = render_video(name, np.random.default_rng([5, label, i]), (48, 64), 24, 8)
            frames.append(video[[0, 12, 23]])
            motion.append(motion_descriptor(video))
            labels.append(label)
            held_out.append(i >= 20)
    return np.stack(frames), np.stack(motion), np.array(labels), np.array(held_out)


def test_single_frames_tell_nothing_and_motion_does(sample):
    frames, motion, labels, held_out = sample
    chance = 1 / 8
    # guessing has a standard deviation of 0.037 on 80 held-out videos
    near_chance = chance + 0.09
    y, y_test = np.repeat(labels[~held_out], 3), np.repeat(labels[held_out], 3)

    def stills(change):
        x = np.stack([change(f).ravel() for f in frames.reshape(-1, *frames.shape[2:])])
        x = x.astype(np.float64).reshape(len(frames), 3, -1)
        return x[~held_out].reshape(len(y), -1), x[held_out].reshape(len(y_test), -1)

    def small(frame, size):
        return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)

    def grey(frame):
        return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)

    def edges(frame):
        plane = grey(frame).astype(np.float32)
        gx, gy = cv2.Sobel(plane, -1, 1, 0), cv2.Sobel(plane, -1, 0, 1)
        strength = np.hypot(gx, gy)
        turns = np.histogram(np.arctan2(gy, gx) % np.pi, 12, weights=strength)[0]
        return np.concatenate([small(strength, (8, 6)).ravel(), turns])

    found = {}
    for name, change in dict(
        grey=lambda f: small(grey(f), (16, 12)), edges=edges, colour=lambda f: small(f, (8, 6))
    ).items():
        x, x_test = stills(change)
        for weight in (0.1, 1.0):
            found[f'{name} ridge {weight}'] = ridge_accuracy(x, y, x_test, y_test, weight)
        found[f'{name} knn'] = knn_accuracy(x, y, x_test, y_test)
    assert max(found.values()) < near_chance, found
    assert abs(np.mean(list(found.values())) - chance) < 0.05, found

    accuracy = ridge_accuracy(
        motion[~held_out], labels[~held_out], motion[held_out], labels[held_out], 0.1
    )
    assert accuracy > 0.5, accuracy
