"""Scanning a folder of videos and writing its lists."""

import os
from collections import Counter

import pytest
from mmaction.registry import DATASETS

from helpers.videos import numbered_frames, write_video
from mmssl_video.datasets.video_folder import scan_video_folder, split_entries, write_lists


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'x')


def test_class_is_the_first_folder(tmp_path):
    touch(
        tmp_path,
        'wave/day 1/a.mp4',
        'wave/b.AVI',
        'jump é/deep/er/c.webm',
        'jump é/notes.txt',
        'readme.md',
        '.hidden/d.mp4',
        'jump é/.e.mp4',
    )
    entries, classes, num_other = scan_video_folder(tmp_path)
    assert classes == ['jump é', 'wave'] and num_other == 2
    assert entries == [('jump é/deep/er/c.webm', 0), ('wave/b.AVI', 1), ('wave/day 1/a.mp4', 1)]


@pytest.mark.parametrize(
    'names', [('a.mp4', 'b.mkv'), ('all/a.mp4', 'all/b.mkv'), ('wave/a.mp4', 'jump/b.mkv', 'c.mp4')]
)
def test_no_classes(tmp_path, names):
    touch(tmp_path, *names)
    entries, classes, _ = scan_video_folder(tmp_path)
    assert classes == [] and {label for _, label in entries} == {-1}
    assert len(entries) == len(names)


@pytest.mark.parametrize(
    'names, meant',
    [
        (('videos/wave/a.mp4', 'videos/jump/b.mp4', 'notes.txt'), 'videos'),
        (('data/videos/wave/x/a.mp4', 'data/videos/jump/b.mp4', 'data/list.txt'), 'data/videos'),
        (('videos/a.mp4', 'videos/b.mp4'), None),  # one folder of videos
        (('videos/wave/a.mp4', 'videos/wave/b.mp4'), None),
        (('videos/wave/a.mp4', 'videos/jump/b.mp4', 'videos/c.mp4'), None),
        (('videos/wave/a.mp4', 'videos/jump/b.mp4', 'c.mp4'), None),
        (('wave/a.mp4', 'jump/b.mp4'), None),
        (('a.mp4',), None),
    ],
)
def test_a_folder_above_the_classes_is_hinted_at(tmp_path, names, meant):
    root = tmp_path / 'given'
    touch(root, *names)
    info = write_lists(root, tmp_path / 'lists')
    if meant is None:
        assert info['hint'] == ''
        return
    assert info['classes'] == [] and info['hint'] == (
        f"all videos of '{root}' lie in one folder, '{meant.split('/')[0]}', so they have no "
        f"classes: did you mean '{root / meant}', with the classes jump, wave?"
    )
    assert write_lists(root / meant, tmp_path / 'lists')['classes'] == ['jump', 'wave']


def test_links_in_a_circle_end(tmp_path):
    touch(tmp_path, 'a/x.mp4', 'b/y.mp4')
    os.symlink(tmp_path, tmp_path / 'a' / 'loop')
    assert len(scan_video_folder(tmp_path)[0]) == 2


def test_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match='is not there'):
        scan_video_folder(tmp_path / 'none')
    touch(tmp_path, 'a.txt')
    with pytest.raises(FileNotFoundError, match='holds no videos'):
        scan_video_folder(tmp_path)
    with pytest.raises(NotADirectoryError, match='is a file'):
        scan_video_folder(tmp_path / 'a.txt')
    with pytest.raises(ValueError, match='test_share'):
        split_entries([('a.mp4', 0)], test_share=1)
    touch(tmp_path, 'line\nbreak.mp4')
    with pytest.raises(FileNotFoundError, match=r"rename 'line\\nbreak.mp4'\.$"):
        write_lists(tmp_path, tmp_path / 'lists')


def test_split_is_stratified_and_depends_on_the_seed():
    entries = [
        (f'{label}/{number}.mp4', label)
        for label, size in enumerate((40, 8, 2, 1))
        for number in range(size)
    ]
    train, test = split_entries(entries, 0.25, seed=1)
    assert sorted(train + test) == sorted(entries)
    assert Counter(label for _, label in test) == {0: 10, 1: 2, 2: 1}
    assert split_entries(list(reversed(entries)), 0.25, seed=1) == (train, test)
    assert split_entries(entries, 0.25, seed=2)[1] != test


def test_lists_can_be_read_by_the_dataset(tmp_path):
    root = tmp_path / 'my videos'
    for name in ('wave/a 1.mp4', 'wave/b.avi', 'jump/é 7.mp4', 'jump/d.mp4'):
        write_video(root / name, numbered_frames(3, (32, 48)), codec='mpeg4')
    info = write_lists(root, tmp_path / 'lists', test_share=0.5)
    assert info['classes'] == ['jump', 'wave'] and (info['num_train'], info['num_test']) == (2, 2)
    for name in ('train', 'test', 'all'):
        dataset = DATASETS.build(
            dict(
                type='VideoListDataset',
                ann_file=info[name],
                data_prefix=dict(video=str(root)),
                classes=str(tmp_path / 'lists' / 'classes.txt'),
                pipeline=[dict(type='VideoInit')],
            )
        )
        assert len(dataset) == (4 if name == 'all' else 2)
        assert all(sample['total_frames'] == 3 for sample in dataset)
