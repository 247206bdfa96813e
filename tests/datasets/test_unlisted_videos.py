"""Videos without a list file, datasets that name bad videos, and several lists as one."""

import numpy as np
import pytest
import torch

from helpers.videos import numbered_frames, write_video
from mmssl_video.datasets import VideoListDataset
from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.guarded import Guarded
from mmssl_video.datasets.pipelines import with_meta_keys
from mmssl_video.datasets.union import UnionDataset
from mmssl_video.datasets.unlisted_videos import UnlistedVideos
from mmssl_video.datasets.views import View, test_pipeline
from mmssl_video.datasets.windows import as_frames, as_windows

STEPS = test_pipeline(View(num_frames=4, stride=2, blocks=2, size=32), num_windows=3)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('unlisted')
    for i, name in enumerate(('run/a.mp4', 'run/b.mp4', 'walk/c.mp4')):
        write_video(folder / name, numbered_frames(12 + i, (40, 56)))
    (folder / 'walk' / 'd.mp4').write_bytes(b'no video')
    return folder


def test_a_folder_and_its_files_give_the_same_samples(folder):
    videos = UnlistedVideos.of_folder(folder, STEPS)
    assert [videos.get_data_info(i)['name'] for i in range(len(videos))] == [
        *('run/a.mp4', 'run/b.mp4', 'walk/c.mp4', 'walk/d.mp4')
    ]
    assert [info['label'] for info in videos.infos] == [0, 0, 1, 1]
    assert videos.view.num_clips == 6
    files = UnlistedVideos.of_files([folder / 'walk' / 'c.mp4'], list(STEPS.values()))
    assert files[0]['inputs'].shape == (6, 3, 2, 32, 32)
    assert torch.equal(files[0]['inputs'], videos[2]['inputs'])
    assert files.get_data_info(0)['label'] == -1
    with pytest.raises(FileNotFoundError, match='e.mp4 does not exist'):
        UnlistedVideos.of_files([folder / 'run' / 'a.mp4', folder / 'e.mp4'], STEPS)


def test_arrays_of_frames_are_videos_too(folder):
    frames = np.stack(numbered_frames(12, (40, 56)))
    videos = UnlistedVideos.of_arrays([frames, frames[:9]], STEPS)
    assert [videos.get_data_info(i)['filename'] for i in (0, 1)] == ['array 0', 'array 1']
    found = videos[0]['inputs'].int()
    coded = UnlistedVideos.of_files([folder / 'run' / 'a.mp4'], STEPS)[0]['inputs'].int()
    assert found.shape == coded.shape and (found - coded).abs().float().mean() < 8
    for wrong in (frames[0], frames[..., :2], frames.astype(np.float32), frames[:0]):
        with pytest.raises(ValueError, match=r'array 1 must hold frames \[T, H, W, 3\] in uint8'):
            UnlistedVideos.of_arrays([frames, wrong], STEPS)


def test_bad_videos_are_named_and_good_ones_keep_what_is_asked_for(folder):
    steps = with_meta_keys(STEPS, ('total_frames', 'avg_fps'))
    dataset = UnlistedVideos.of_folder(folder, steps)

    def long_enough(entry, info):
        if info['total_frames'] < 13:
            raise BadVideoError(entry['name'], 'is too short to be judged')

    items = [
        *map(Guarded(dataset, ('total_frames',), ('name',), long_enough).__getitem__, range(4))
    ]
    assert [item['index'] for item in items] == [0, 1, 2, 3]
    assert [item['label'] for item in items] == [0, 0, 1, 1]
    assert items[0]['reason'] == 'is too short to be judged' and 'inputs' not in items[0]
    assert 'reason' not in items[1] and items[1]['info'] == dict(total_frames=13)
    assert items[1]['entry'] == dict(name='run/b.mp4')
    assert items[1]['name'] == str(folder / 'run' / 'b.mp4')
    assert items[1]['inputs'].shape == (6, 3, 2, 32, 32)
    assert 'cannot be opened' in items[3]['reason'] and 'inputs' not in items[3]
    assert set(Guarded(dataset)[1]['info']) == {'total_frames'}, 'what a pipeline does not pack'


def test_a_union_reads_every_file_once_and_keeps_the_first_entry(folder):
    lists = []
    for number, lines in enumerate(('run/a.mp4 3\nrun/b.mp4 1\n', 'run/b.mp4 7\nwalk/c.mp4 2\n')):
        (folder / f'{number}.txt').write_text(lines)
        lists.append(
            VideoListDataset(
                ann_file=str(folder / f'{number}.txt'),
                data_prefix=dict(video=str(folder)),
                pipeline=STEPS,
                test_mode=True,
            )
        )
    union = UnionDataset(lists)
    assert [union.get_data_info(i)['name'] for i in range(len(union))] == [
        *('run/a.mp4', 'run/b.mp4', 'walk/c.mp4')
    ]
    assert [union.get_data_info(i)['label'] for i in range(3)] == [3, 1, 2]
    assert torch.equal(union[2]['inputs'], lists[1][1]['inputs'])
    assert 'reason' not in Guarded(union)[1]


def test_blocks_are_put_back_into_windows_and_frames():
    inputs = torch.arange(6).view(6, 1, 1, 1, 1) * 10 + torch.arange(2).view(1, 1, 2, 1, 1)
    windows = as_windows(inputs, 3)
    assert windows.shape == (2, 3, 1, 2, 1, 1)
    assert as_frames(windows)[1].flatten().tolist() == [30, 31, 40, 41, 50, 51]
    images = torch.zeros(4, 3, 8, 8)
    assert as_windows(images, 1).shape == as_frames(as_windows(images, 1)).shape == (1, 4, 3, 8, 8)
    with pytest.raises(ValueError, match='no whole number of windows of 4 blocks'):
        as_windows(inputs, 4)
