"""Flow through the dataset and the transforms that RGB goes through."""

import os
import shutil

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, TRANSFORMS
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from helpers.flow_videos import moving_frames, to_pixels, write_moving_video
from helpers.videos import write_video
from mmssl_video.datasets import BadVideoError, TooManyBadVideosError
from mmssl_video.datasets.flow_extraction import extract_flow
from mmssl_video.datasets.flow_format import (
    FlowInfo,
    flow_path,
    write_folder,
    write_packed,
)
from mmssl_video.datasets.transforms import FlowFolder, FlowVideo

MOVES = {'right.mp4': (2, 0), 'up/left é.avi': (-2, -1)}
LINES = [f'{name} {label}' for label, name in enumerate(MOVES)]
READ = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=4, stride=2, mode='center'),
    dict(type='DecodeFrames'),
]
PACK = [
    dict(type='SplitBlocks', num_blocks=2),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
TRAIN = [
    *READ[:1],
    dict(READ[1], mode='random'),
    READ[2],
    dict(type='RandomResizedCrop', area_range=(0.5, 1.0)),
    dict(type='Resize', scale=(24, 24), keep_ratio=False),
    dict(type='VideoFlip', flip_ratio=0.5),
    *PACK,
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Videos that move by MOVES, and their flow in both formats."""
    root = tmp_path_factory.mktemp('flow_input')
    for name, move in MOVES.items():
        write_moving_video(root / 'videos' / name, 10, move=move, size=(48, 64))
    for kind in ('mp4', 'jpeg'):
        extract_flow(list(MOVES), root / 'videos', root / kind, kind)
    return root


@pytest.fixture
def make(folder, tmp_path):
    def build(kind='mp4', pipeline=READ, lines=LINES, **arguments):
        (tmp_path / 'list.txt').write_text('\n'.join(lines))
        arguments = dict(
            dict(
                modality='Flow',
                suffix=dict(mp4='.flow.mp4', jpeg='.flow')[kind],
                data_prefix=dict(video=str(folder / kind)),
                test_mode=True,
            ),
            **arguments,
        )
        return DATASETS.build(
            dict(
                type='VideoListDataset',
                ann_file=str(tmp_path / 'list.txt'),
                pipeline=pipeline,
                **arguments,
            )
        )

    return build


@pytest.mark.parametrize('kind', ['mp4', 'jpeg'])
def test_samples_are_flow_of_the_listed_videos(make, kind):
    dataset = make(kind)
    assert len(dataset) == 2
    for index, (name, move) in enumerate(MOVES.items()):
        info = dataset.get_data_info(index)
        assert info['name'] == name and info['modality'] == 'Flow' and info['label'] == index
        assert info['filename'].endswith(name + dataset.suffix)
        sample = dataset[index]
        assert sample['total_frames'] == 9 and sample['frame_inds'].tolist() == [1, 3, 5, 7]
        assert sample['avg_fps'] == 25 and sample['img_shape'] == (48, 64)
        frames = np.stack(sample['imgs'])
        assert frames.shape == (4, 48, 64, 3) and frames.dtype == np.uint8
        assert (frames[..., 2] == 128).all()
        measured = np.median(to_pixels(frames[:, 12:-12, 12:-12, :2]), axis=(0, 1, 2))
        assert np.abs(measured - move).max() < 0.2


def test_both_formats_give_the_same_samples_but_for_jpegs_error(make):
    packed, jpegs = (make(kind, [*READ, *PACK])[1]['inputs'].float() for kind in ('mp4', 'jpeg'))
    assert packed.shape == (2, 3, 2, 48, 64)
    assert 0 < (packed - jpegs).abs().mean() < 0.5


@pytest.mark.parametrize('kind', ['mp4', 'jpeg'])
def test_training_pipeline_with_workers(make, kind):
    dataset = make(kind, TRAIN, LINES * 4, test_mode=False, seed=3)
    loaded = []
    for workers in (0, 2):
        loader = DataLoader(dataset, batch_size=4, num_workers=workers, collate_fn=pseudo_collate)
        loaded.append(torch.cat([torch.stack(batch['inputs']) for batch in loader]))
    assert loaded[0].shape == (8, 2, 3, 2, 24, 24)
    assert torch.equal(*loaded)
    # u points one way for a video, but for its flips
    signs = (loaded[0][:, :, 0].float().mean((1, 2, 3, 4)) - 127.5).sign()
    assert set(signs[::2].tolist()) == set(signs[1::2].tolist()) == {-1, 1}
    assert (loaded[0][:, :, 2] == 128).all()


def test_a_mirrored_video_gives_the_flipped_sample(make, folder, tmp_path):
    """End to end: TV-L1 of the mirrored video against ``VideoFlip`` of the flow."""
    frames = moving_frames(10, MOVES['right.mp4'], size=(48, 64))
    write_video(
        tmp_path / 'v/right.mp4',
        [np.ascontiguousarray(f[:, ::-1]) for f in frames],
        options={'crf': '3'},
    )
    extract_flow(['right.mp4'], tmp_path / 'v', tmp_path / 'flow')
    mirrored = make(lines=LINES[:1], data_prefix=dict(video=str(tmp_path / 'flow')))[0]['imgs']
    flipped = make(pipeline=[*READ, dict(type='VideoFlip', flip_ratio=1)])[0]['imgs']
    plain = make()[0]['imgs']
    inner = np.s_[:, 8:-8, 12:-12]
    error = np.abs(np.stack(mirrored).astype(int) - np.stack(flipped))[inner]
    assert error.mean() < 1
    assert np.abs(np.stack(mirrored).astype(int) - np.stack(plain))[inner][..., 0].mean() > 15


def test_resizing_keeps_displacements(make):
    resized = make(pipeline=[*READ, dict(type='Resize', scale=(32, 24), keep_ratio=False)])
    frames = np.stack(resized[0]['imgs'])
    assert frames.shape == (4, 24, 32, 3)
    assert abs(np.median(to_pixels(frames[:, 6:-6, 6:-6, 0])) - 2) < 0.2


def test_crops_windows_and_blocks_of_flow(make):
    pipeline = [
        READ[0],
        dict(type='SampleWindow', num_frames=4, stride=1, mode='sliding'),
        READ[2],
        dict(type='MultiCrop', crop_size=32, crops='five', flip=True),
        *PACK,
    ]
    inputs = make(pipeline=pipeline)[0]['inputs']
    assert inputs.shape == (10 * 3 * 2, 3, 2, 32, 32)
    u = inputs.reshape(10, 3, 2, 3, 2, 32, 32)[:, :, :, 0].float()
    assert torch.equal(u[:5], 255 - u[5:].flip(-1))
    means = u.mean((1, 2, 3, 4, 5))
    assert (means[:5] > 127.5).all() and (means[5:] < 127.5).all()


def test_readers_are_let_go_after_decoding(make):
    results = dict(filename=make().get_data_info(0)['filename'], modality='Flow', start_index=0)
    for cfg, kind in ((READ[0], FlowVideo), (READ[1], FlowVideo)):
        results = TRANSFORMS.build(cfg)(results)
        assert isinstance(results['video_reader'], kind)
    assert 'video_reader' not in TRANSFORMS.build(READ[2])(results)
    results = dict(filename=make('jpeg').get_data_info(0)['filename'], modality='Flow')
    assert isinstance(TRANSFORMS.build(READ[0])(results)['video_reader'], FlowFolder)


# ------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    'step, words',
    [
        (dict(type='Flip', flip_ratio=0.5), 'Flip .*does not negate u .*use VideoFlip'),
        (
            dict(type='TenCrop', crop_size=24),
            "TenCrop .*use MultiCrop with crops='five', flip=True",
        ),
        (dict(type='VideoColorJitter'), 'VideoColorJitter .*flow has no colours: take it out'),
        (dict(type='VideoRandomGray'), 'VideoRandomGray .*flow has no colours'),
        (dict(type='ColorJitter'), 'ColorJitter .*flow has no colours'),
        (
            dict(
                type='PerClip', transforms=[dict(type='Resize', scale=(24, 24)), dict(type='Flip')]
            ),
            'Flip .*use VideoFlip',
        ),
    ],
)
def test_transforms_that_would_be_wrong_are_refused(make, step, words):
    with pytest.raises(ValueError, match=f"is not for modality='Flow'.*|{words}") as error:
        make(pipeline=[*READ, step, *PACK])
    assert '\n' not in str(error.value)
    make(pipeline=[*READ, step, *PACK], modality='RGB', suffix='', check_files=False)


@pytest.mark.parametrize('kind', ['VideoColorJitter', 'VideoRandomGray'])
def test_colour_transforms_refuse_flow_by_themselves(kind):
    imgs = [np.full((8, 8, 3), 128, np.uint8)]
    transform = TRANSFORMS.build(dict(type=kind, p=1))
    assert transform(dict(imgs=imgs, modality='RGB'))['imgs'][0].shape == (8, 8, 3)
    with pytest.raises(ValueError, match=f"{kind} is not for modality='Flow': flow has no colours"):
        transform(dict(imgs=imgs, modality='Flow'))


@pytest.mark.parametrize(
    'arguments, error, words',
    [
        (dict(modality='flow'), ValueError, "modality must be 'RGB' or 'Flow', got 'flow'"),
        (dict(modality='RGB'), ValueError, "suffix='.flow.mp4' names optical flow: set modality"),
        (dict(suffix=''), FileNotFoundError, 'Flow is made by mmssl flow'),
        (dict(suffix='.flow'), FileNotFoundError, r"right.mp4.flow' \(line 1\)"),
    ],
)
def test_wrong_arguments(make, arguments, error, words):
    with pytest.raises(error, match=words):
        make(**arguments)


def test_flow_and_videos_mixed_up(make, folder, tmp_path):
    videos = dict(video=str(folder / 'videos'))
    with pytest.raises(BadVideoError, match='is an ordinary video, not packed optical flow'):
        make(suffix='', data_prefix=videos)[0]
    with pytest.raises(TooManyBadVideosError, match='1 of the 2 videos .*is an ordinary video'):
        make(suffix='', data_prefix=videos, test_mode=False)[0]
    with pytest.raises(BadVideoError, match="holds optical flow: read it with modality='Flow'"):
        make(
            modality='RGB',
            suffix='',
            lines=[f'{line.rsplit(" ", 1)[0]}.flow.mp4 0' for line in LINES],
        )[0]
    frames = tmp_path / 'frames/right.mp4'
    frames.mkdir(parents=True)  # a folder of frames, as other code keeps them
    (frames / 'img_00001.jpg').write_bytes(b'')
    with pytest.raises(BadVideoError, match='is a folder without meta.json'):
        make(suffix='', data_prefix=dict(video=str(tmp_path / 'frames')), lines=LINES[:1])[0]


def test_bad_flow_is_replaced_and_recorded_in_training(make, folder, tmp_path):
    for kind, suffix in (('mp4', '.flow.mp4'), ('jpeg', '.flow')):
        root = tmp_path / kind
        shutil.copytree(folder / kind, root)
        bad = root / f'right.mp4{suffix}'
        if kind == 'mp4':
            bad.write_bytes(b'cut')
        else:
            for name in os.listdir(bad):
                if name.endswith('.jpg'):
                    (bad / name).unlink()
        dataset = make(
            kind, TRAIN, test_mode=False, max_bad_share=0.5, data_prefix=dict(video=str(root))
        )
        assert dataset[0]['inputs'].shape == (2, 3, 2, 24, 24)
        [entry] = dataset.bad_videos()
        assert entry.path == str(bad)
        assert ('cannot be opened' if kind == 'mp4' else 'No such file') in entry.reason


def test_windows_count_flows_not_frames(make, tmp_path):
    """Ten frames have nine flows: a window of nine fits exactly, one of ten is wrapped round."""
    for num, expected in ((9, list(range(9))), (10, [*range(9), 0])):
        window = dict(type='SampleWindow', num_frames=num, stride=1, mode='sliding', short='loop')
        sample = make(pipeline=[READ[0], window, READ[2]])[0]
        assert sample['frame_inds'].tolist() == expected


def test_flow_of_any_size_is_read_by_number(tmp_path):
    """Every flow carries its number, through seeks in any order."""
    for height, width in ((33, 45), (48, 64)):
        flows = np.zeros((30, height, width, 2), np.uint8)
        flows += (np.arange(30)[:, None, None, None] * [1, 2]).astype(np.uint8)
        info = FlowInfo(20, 1, 31, 0, height, width)
        for kind, write in (('mp4', write_packed), ('jpeg', write_folder)):
            path = flow_path(tmp_path, f'{height}.avi', kind)
            write(path, flows, info, 30)
            source = TRANSFORMS.build(READ[0])(dict(filename=str(path), modality='Flow'))
            frames = source['video_reader'].get_frames([29, 3, 17, 3, 0, 4])
            for number, frame in frames.items():
                assert frame.shape == (height, width, 3)
                assert (frame == [number, 2 * number, 128]).all()
