"""File names of any bytes are read, or named and left out; listed ones never lead elsewhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.tiny_run import REPO, environment
from helpers.videos import numbered_frames, write_video
from mmssl_video.apis import FeatureSet
from mmssl_video.datasets import scan_video_folder, write_lists
from mmssl_video.datasets.demo_videos import write_video as write_demo_video
from mmssl_video.datasets.flow_extraction import extract_flow, find_videos
from mmssl_video.datasets.preparation.layout import Layout, ListFile
from mmssl_video.datasets.preparation.output import Journal
from mmssl_video.datasets.preparation.prepare import prepare
from mmssl_video.datasets.preparation.reencoding import reencode
from mmssl_video.datasets.preparation.videos import check_videos
from mmssl_video.results.records import append_results, read_results

LATIN = os.fsdecode(b'caf\xe9.mp4')  # not UTF-8
ODD = [LATIN, 'new\nline.mp4', 'return\r.mp4', os.fsdecode(b'\xff\xfe/x.mp4')]
SOUND = [
    'a/1.mp4',
    'a/2.mp4',
    'a/ space.mp4',
    'b/a:b.mp4',
    'b/größe 動画.mp4',
    'b/\u2028.mp4',
    'b/x\x1cy.mp4',
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder of two classes, with videos of odd names in it and above it."""
    root = tmp_path_factory.mktemp('odd') / 'videos'
    write_video(root / 'a/1.mp4', numbered_frames(4, (32, 48)))
    for name in [*SOUND[1:], *(f'a/{name}' for name in ODD[:3]), ODD[3]]:
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(root / 'a/1.mp4', root / name)
    return root


def listed(file):
    lines = Path(file).read_bytes().decode().rstrip('\n').split('\n')
    return {line.rpartition(' ')[0] for line in lines}


def test_lists_leave_out_what_no_line_can_hold(folder, tmp_path):
    info = write_lists(folder, tmp_path)
    assert info['classes'] == ['a', 'b']  # the odd folder is none
    assert listed(info['all']) == set(SOUND)
    assert sorted(info['left_out']) == sorted([*(f'a/{name}' for name in ODD[:3]), ODD[3]])
    assert '4 videos are left out' in info['notice'] and r"'a/caf\udce9.mp4'" in info['notice']
    info['notice'].encode()
    assert len(scan_video_folder(folder)[0]) == len(SOUND) + 4  # a folder itself is read in full


@pytest.mark.parametrize('resize', [None, 32])
def test_a_folder_is_prepared_without_them(folder, tmp_path, resize, capsys):
    prepare('folder', folder, tmp_path / 'out', resize=resize)
    assert listed(tmp_path / 'out' / 'all.txt') == set(SOUND)
    assert (tmp_path / 'out/classes.txt').read_text() == 'a\nb\n'
    assert '4 videos are left out' in capsys.readouterr().out
    assert '4 videos are left out' in (tmp_path / 'out/report.txt').read_text(encoding='utf-8')


def test_paths_that_cannot_be_listed_are_refused_before_any_work(folder, tmp_path):
    for path, why in (('a/new\nline.mp4', 'cannot stand'), ('../a/1.mp4', 'leads out of')):
        layout = Layout(dict(videos=folder), {'train.txt': ListFile('videos', [(path, 0)])})
        with pytest.raises(ValueError, match=why):
            check_videos(layout, tmp_path, 32, True, 1, 60, False)
    assert not list(tmp_path.iterdir())


def test_reports_and_records_hold_any_name(tmp_path):
    append_results(tmp_path / 'r.json', [dict(protocol='a', dataset=LATIN)])
    assert read_results(tmp_path / 'r.json')[0]['dataset'] == LATIN
    journal = Journal(tmp_path / 'journal')
    journal.add(dict(name=LATIN, files=[[1, 2]], info={}))
    journal.close()
    again = Journal(tmp_path / 'journal')
    assert again.known(LATIN, [[1, 2]])
    again.close()
    ones = np.ones(1, dtype=np.int64)
    FeatureSet(np.ones((1, 2)), ones, [LATIN], ones, {}, [(LATIN, 'x')]).save(tmp_path / 'f.npz')
    read = FeatureSet.load(tmp_path / 'f.npz')
    assert read.names == [LATIN] and read.unreadable == [(LATIN, 'x')]


@pytest.mark.parametrize('encoding', ['utf-8', 'ascii'])
def test_flow_of_a_folder_with_any_names(folder, tmp_path, encoding):
    """By the command, whose output names what it cannot print."""
    broken = tmp_path / 'videos'
    shutil.copytree(folder / 'a', broken)
    (broken / os.fsdecode(b'broken \xff.mp4')).write_bytes(b'x')
    done = subprocess.run(
        [sys.executable, REPO / 'tools/data/extract_flow.py', broken, '--out', tmp_path / 'flow'],
        env=environment(PYTHONIOENCODING=encoding),
        capture_output=True,
        timeout=200,
    )
    output = (done.stdout + done.stderr).decode()
    assert done.returncode == 1 and 'Traceback' not in output, output
    assert r'bad: broken \udcff.mp4: ' in output and '1 of 7 videos have no flow' in output
    made = {path.name for path in (tmp_path / 'flow').iterdir()}
    assert made == {f'{path.name}.flow.mp4' for path in folder.glob('a/*')}


@pytest.mark.parametrize(
    'path', ['../out.mp4', 'a/../../out.mp4', '..', '/etc/x.mp4', '{root}/a/1.mp4', 'a/../a/1.mp4']
)
def test_flow_is_written_nowhere_else(path, folder, tmp_path):
    path = path.format(root=folder)
    list_file = tmp_path / 'list.txt'
    list_file.write_text(f'a/1.mp4 0\n\n{path} 0\n')
    with pytest.raises(ValueError, match=r'list\.txt, line 3: .* leads out of the folder of flows'):
        find_videos([list_file], folder)
    before = set(tmp_path.rglob('*'))
    with pytest.raises(ValueError, match='video 2: .* leads out of') as caught:
        extract_flow(['a/1.mp4', path], folder, tmp_path / 'flow')
    assert '\n' not in str(caught.value)
    assert set(tmp_path.rglob('*')) == before


def test_names_with_a_colon_are_written(folder, tmp_path, monkeypatch):
    """A relative name of that kind is an address to FFmpeg."""
    monkeypatch.chdir(tmp_path)
    write_demo_video('a:b.mp4', np.zeros((3, 32, 32, 3), np.uint8))
    assert Path('a:b.mp4').stat().st_size > 100
    Path('p:q').mkdir()
    assert reencode(folder / 'a/1.mp4', 'p:q/c.mp4', 32)['frames'] == 4
    assert extract_flow(['1.mp4'], folder / 'a', 'f:g').made == 1
    assert json.loads(json.dumps(sorted(os.listdir()))) == ['a:b.mp4', 'f:g', 'p:q']


def test_lists_that_are_no_text_are_refused_at_once(tmp_path, folder):
    list_file = tmp_path / 'list.txt'
    list_file.write_bytes(b'a/1.mp4 0\ncaf\xe9.mp4 0\n')
    with pytest.raises(ValueError, match='is no list of videos: line 2 is not UTF-8'):
        find_videos([list_file], folder)
