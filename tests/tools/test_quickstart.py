"""tools/quickstart.py on folders of a user's own, as commands."""

import json

import numpy as np
import pytest

from helpers.tiny_run import last_line, run
from helpers.videos import write_video
from mmssl_video.settings.names import config_dir

TOOL = config_dir().parent / 'tools' / 'quickstart.py'


def make_videos(folder, names, frames=90):
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        picture = rng.integers(0, 255, (6, 9, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        write_video(folder / name, [np.roll(picture, 2 * t, 1) for t in range(frames)])


def quickstart(*arguments, cwd):
    return run('python', TOOL, *arguments, cwd=cwd, timeout=300)


@pytest.mark.slow
def test_folder_with_classes(tmp_path):
    """Pre-trains, probes and reports; the same command again trains nothing."""
    make_videos(
        tmp_path / 'mine',
        [f'{kind}/day {i}/{i}.mp4' for kind in ('jump', 'wave') for i in range(6)],
    )
    (tmp_path / 'mine' / 'wave' / 'notes.txt').write_text('no video')
    done = quickstart('--videos', 'mine', '--epochs', '2', cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert '2 classes; 1 other files passed over' in done.stdout
    assert 'Windows are 40 frames at stride 2 (the config says 3)' in done.stdout
    out = tmp_path / 'work_dirs' / 'quickstart_mine'
    report = json.loads((out / 'report.json').read_text())
    subjects = {record['subject'] for record in report['probes']}
    assert {
        'pre-trained',
        'random',
        'random, BN calibrated',
        'first frame',
        'motion map',
    } <= subjects
    assert {record['protocol'] for record in report['probes']} == {
        'linear/cached',
        'knn/cosine',
        'knn/weighted',
        'retrieval/context-mean-cosine',
    }
    trained, untrained = report['self_supervised']
    assert trained['checkpoint'].endswith('epoch_2.pth') and untrained['subject'] == 'random'
    assert 'knows only the clip' in (out / 'report.txt').read_text()
    assert (out / 'report.png').read_bytes().startswith(b'\x89PNG')

    again = quickstart('--videos', 'mine', '--epochs', '2', cwd=tmp_path)
    assert again.returncode == 0 and 'epoch_2.pth is there already' in again.stdout
    other = quickstart('--videos', 'mine', '--epochs', '3', cwd=tmp_path)
    assert other.returncode == 1
    assert 'give another folder with --out' in last_line(other.stdout)


@pytest.mark.slow
def test_folder_without_classes_gives_features(tmp_path):
    make_videos(tmp_path / 'mine', [f'{i}.mp4' for i in range(6)], frames=130)
    done = quickstart('--videos', 'mine', '--epochs', '1', '--out', 'here', cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    with np.load(tmp_path / 'here' / 'features.npz') as saved:
        assert saved['features'].shape == (6, 512) and np.isfinite(saved['features']).all()
        assert sorted(name.split('/')[-1] for name in saved['names']) == [
            f'{i}.mp4' for i in range(6)
        ]


@pytest.mark.parametrize(
    'make, word',
    [
        (lambda folder: None, 'is no folder'),
        (lambda folder: folder.mkdir(), 'holds no videos'),
        (lambda folder: make_videos(folder, ['a.mp4', 'b.mp4'], 2), 'too few'),
    ],
)
def test_useless_folders_are_named_at_once(tmp_path, make, word):
    make(tmp_path / 'mine')
    done = quickstart('--videos', 'mine', cwd=tmp_path)
    assert done.returncode == 1
    assert last_line(done.stdout).startswith('error: ') and word in last_line(done.stdout)
