"""List files, reproducible draws, bad and short videos."""

import copy
import gc
import os
import random

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from helpers.videos import numbered_frames, write_video
from mmssl_video.datasets.errors import BadVideoError, ShortVideoError, TooManyBadVideosError
from mmssl_video.datasets.seeding import derive_index, derive_seeds, seeded

PIPELINE = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=4, stride=2),
    dict(type='DecodeFrames'),
    dict(type='RandomResizedCrop', area_range=(0.5, 1.0)),
    dict(type='Resize', scale=(16, 16), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='VideoColorJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25),
    dict(type='SplitBlocks', num_blocks=2),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=('filename', 'sample_idx', 'frame_inds')),
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Eight sound videos (the last one short) and three broken ones."""
    root = tmp_path_factory.mktemp('videos')
    for number in range(8):
        write_video(root / f'v {number}é.mp4', numbered_frames(5 if number == 7 else 30, (48, 64)))
    (root / 'text.mp4').write_text('no video at all')
    (root / 'empty.mp4').write_bytes(b'')
    content = write_video(root / 'cut.avi', numbered_frames(30), codec='mpeg4').read_bytes()
    (root / 'cut.avi').write_bytes(content[: int(0.9 * len(content))])
    return root


@pytest.fixture
def make(folder, tmp_path):
    def build(lines, pipeline=PIPELINE, **arguments):
        path = tmp_path / 'list.txt'
        path.write_bytes(lines if isinstance(lines, bytes) else '\n'.join(lines).encode())
        arguments.setdefault('data_prefix', dict(video=str(folder)))
        return DATASETS.build(
            dict(type='VideoListDataset', ann_file=str(path), pipeline=pipeline, **arguments)
        )

    return build


GOOD = [f'v {number}é.mp4 {number % 3}' for number in range(7)]


# ------------------------------------------------------------------------------ list files


def test_list_with_spaces_crlf_bom_and_empty_lines(make, folder):
    dataset = make(
        '\ufeffv 0é.mp4 1\r\n\r\n  v 1é.mp4\t-1  \r\nv 2é.mp4 0'.encode(), classes=['a', 'b']
    )
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert [os.path.basename(info['filename']) for info in infos] == [
        'v 0é.mp4',
        'v 1é.mp4',
        'v 2é.mp4',
    ]
    assert [info['label'] for info in infos] == [1, -1, 0]
    assert infos[2]['sample_idx'] == 2 and infos[2]['start_index'] == 0
    assert infos[2]['modality'] == 'RGB' and infos[2]['filename'] == str(folder / 'v 2é.mp4')
    assert dataset.num_classes == 2 and dataset.metainfo['classes'] == ['a', 'b']
    assert dataset.get_cat_ids(0) == [1]


def test_labels_may_be_left_out_without_classes(make):
    dataset = make(['v 0é.mp4', 'v 1é.mp4 7'])
    assert [dataset.get_data_info(index)['label'] for index in (0, 1)] == [-1, 7]


def test_class_names_from_a_file(make, tmp_path):
    (tmp_path / 'classes.txt').write_text('wave\njump\n')
    assert make(GOOD[:2], classes=str(tmp_path / 'classes.txt')).num_classes == 2
    with pytest.raises(FileNotFoundError, match='file of class names'):
        make(GOOD, classes=str(tmp_path / 'none.txt'))


@pytest.mark.parametrize(
    'lines, arguments, error, message',
    [
        (
            ['v 0é.mp4 0', 'v 1é.mp4 3'],
            dict(num_classes=3),
            ValueError,
            r'list.txt, line 2: label 3 is out of range: num_classes=3 allows 0..2',
        ),
        (['v 0é.mp4 -2'], {}, ValueError, 'line 1: label -2 is out of range'),
        (['', 'v 0é.mp4'], dict(num_classes=3), ValueError, 'line 2: .* does not end in a label'),
        (['v 0é.mp4 1.5'], dict(num_classes=3), ValueError, 'line 1: .*does not end in a label'),
        (['3'], dict(num_classes=4), ValueError, 'line 1: .*names no video'),
        (['', ' '], {}, ValueError, 'names no videos'),
        (b'v 0.mp4 0\n\xff\xfe.mp4 0\n', {}, ValueError, 'line 2: not UTF-8'),
        (
            ['a.mp4 0', 'v 0é.mp4 0', 'b.mp4 1', 'c/c.mp4 1', 'd.mp4 1'],
            {},
            FileNotFoundError,
            r"4 of the 5 videos .*a.mp4' \(line 1\).*b.mp4' \(line 3\).* and 1 more.*data_prefix",
        ),
        (
            GOOD,
            dict(num_classes=3, classes=['a']),
            ValueError,
            'num_classes=3, but classes holds 1',
        ),
        (GOOD, dict(on_error='ignore'), ValueError, "on_error must be .*got 'ignore'"),
        (GOOD, dict(max_bad_share=5), ValueError, 'max_bad_share is a share between 0 and 1'),
        (GOOD, dict(seed=-1), ValueError, 'seed must be at least 0'),
    ],
)
def test_wrong_lists_and_arguments(make, lines, arguments, error, message):
    with pytest.raises(error, match=message):
        make(lines, **arguments)


def test_missing_list_file(tmp_path):
    for path in (tmp_path / 'none.txt', tmp_path):
        with pytest.raises(FileNotFoundError, match='the list file .* (is not there|is a folder)'):
            DATASETS.build(dict(type='VideoListDataset', ann_file=str(path), pipeline=[]))


def test_blocks_that_do_not_divide_the_window_are_found_when_built(make):
    pipeline = copy.deepcopy(PIPELINE)
    pipeline[7]['num_blocks'] = 3
    with pytest.raises(ValueError, match='window of 4 frames cannot be split into 3 blocks'):
        make(GOOD, pipeline)


# ------------------------------------------------------------------------------ randomness


def batches(dataset, num_workers=0, context=None, epochs=(0,), persistent=False):
    loader = DataLoader(
        dataset,
        batch_size=3,
        num_workers=num_workers,
        collate_fn=pseudo_collate,
        multiprocessing_context=context,
        persistent_workers=persistent and num_workers > 0,
    )
    out = []
    for epoch in epochs:
        dataset.set_epoch(epoch)
        out.append(torch.cat([torch.stack(batch['inputs']) for batch in loader]))
    return out


def test_same_batches_for_any_number_of_workers_and_other_ones_each_epoch(make):
    dataset = make(GOOD, seed=5)
    reference = batches(dataset, 0, epochs=(0, 1, 2))
    assert reference[0].shape == (7, 2, 3, 2, 16, 16)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        same = (reference[first] == reference[second]).flatten(1).all(1)
        assert not same.any()  # every sample of an epoch is drawn anew
    for num_workers, persistent in ((1, False), (3, False), (3, True)):
        again = batches(make(GOOD, seed=5), num_workers, epochs=(0, 1, 2), persistent=persistent)
        assert all(torch.equal(a, b) for a, b in zip(reference, again))
    # a resumed run starts at epoch 2 with another process state
    np.random.seed(99), torch.manual_seed(99), random.seed(99)
    assert torch.equal(batches(make(GOOD, seed=5), 1, epochs=(2,))[0], reference[2])
    assert not torch.equal(batches(make(GOOD, seed=6), 0)[0], reference[0])


def test_spawned_workers_see_the_epoch(make):
    dataset = make(GOOD[:3], seed=5)
    reference = batches(dataset, 0, epochs=(0, 3))
    again = batches(dataset, 1, context='spawn', epochs=(0, 3), persistent=True)
    assert all(torch.equal(a, b) for a, b in zip(reference, again))


def test_test_mode_does_not_depend_on_the_epoch(make):
    first, second = batches(make(GOOD, test_mode=True), epochs=(0, 1))
    assert torch.equal(first, second)


def test_global_generators_are_left_as_they_were(make):
    dataset = make(GOOD)
    np.random.seed(1), torch.manual_seed(2), random.seed(3)
    expected = np.random.rand(), torch.rand(1).item(), random.random()
    np.random.seed(1), torch.manual_seed(2), random.seed(3)
    dataset[0]
    assert (np.random.rand(), torch.rand(1).item(), random.random()) == expected


def test_seeding_is_independent_and_covers_the_generators():
    def draw(*numbers):
        with seeded(*numbers):
            return np.random.rand(), torch.rand(1).item(), random.random()

    draws = {draw(*numbers) for numbers in ((0, 0, 1, 0), (0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 1))}
    assert len(draws) == 4 and draw(0, 1, 0, 0) in draws
    assert len({int(seed) for seed in derive_seeds(1, 2, 3)}) == 3
    counts = np.bincount([derive_index(10, 0, epoch, 0) for epoch in range(2000)], minlength=10)
    assert counts.min() > 130 and counts.max() < 270


def test_copies_and_subsets_keep_their_own_epoch(make):
    dataset = make(GOOD)
    other = copy.deepcopy(dataset)
    other.set_epoch(4)
    assert (dataset.epoch, other.epoch) == (0, 4)
    assert other._shared.values.is_shared()
    assert len(dataset.get_subset([0, 2])) == 2


# ------------------------------------------------------------------------------ bad videos

BAD = ['text.mp4 0', 'empty.mp4 1', 'cut.avi 2']


@pytest.mark.parametrize(
    'num_workers, context, persistent',
    [(0, None, False), (1, 'fork', False), (3, 'fork', True), (1, 'spawn', True)],
)
def test_bad_videos_are_replaced_and_recorded(make, num_workers, context, persistent):
    dataset = make(GOOD + BAD, max_bad_share=0.5, seed=2)
    first, second = batches(dataset, num_workers, context, epochs=(0, 1), persistent=persistent)
    assert first.shape[0] == second.shape[0] == 10
    for epoch in (0, 1):
        found = {os.path.basename(bad.path): bad for bad in dataset.bad_videos(epoch)}
        assert set(found) == {'text.mp4', 'empty.mp4', 'cut.avi'}
        assert {bad.kind for bad in found.values()} == {'bad'}
        assert 'cannot be opened as a video' in found['text.mp4'].reason
        assert 'is empty' in found['empty.mp4'].reason
        assert 'truncated' in found['cut.avi'].reason
    assert len(dataset.bad_videos()) == 6  # each file once per epoch
    # which videos take their places depends on the numbers only, not on the workers
    reference = batches(make(GOOD + BAD, max_bad_share=0.5, seed=2), epochs=(0, 1))
    assert torch.equal(first, reference[0]) and torch.equal(second, reference[1])


def test_replacements_are_spread_over_the_list(make):
    dataset = make(GOOD + BAD[:1], max_bad_share=0.5)
    seen = set()
    for epoch in range(40):
        dataset.set_epoch(epoch)
        seen.add(os.path.basename(dataset[7]['data_samples'].filename))
    assert len(seen) == 7


@pytest.mark.parametrize('num_workers', [0, 1])
def test_too_many_bad_videos_stop_with_one_readable_sentence(make, num_workers):
    dataset = make(GOOD + BAD[:2], max_bad_share=0.2)
    with pytest.raises(TooManyBadVideosError) as error:
        batches(dataset, num_workers)
    message = str(error.value)
    assert message.startswith('2 of the 9 videos in ') and 'max_bad_share=0.2' in message
    assert 'text.mp4: cannot be opened' in message and 'empty.mp4: the file is empty' in message
    assert '\n' not in message and 'Traceback' not in message
    # with a higher share the same list trains
    assert batches(make(GOOD + BAD[:2], max_bad_share=0.3), num_workers)[0].shape[0] == 9


@pytest.mark.parametrize('num_workers', [0, 1])
def test_on_error_raise(make, num_workers):
    with pytest.raises(BadVideoError) as error:
        batches(make(GOOD + BAD, on_error='raise', max_bad_share=1), num_workers)
    assert str(error.value).endswith(
        'text.mp4: cannot be opened as a video (Invalid data found when processing input)'
    )
    assert '\n' not in str(error.value)


def short_pipeline(short):
    pipeline = copy.deepcopy(PIPELINE)
    pipeline[1]['short'] = short
    return pipeline


def test_short_videos(make):
    lines = GOOD + ['v 7é.mp4 0']
    for short in ('loop', 'pad'):
        dataset = make(lines, short_pipeline(short))
        assert dataset[7]['data_samples'].filename.endswith('v 7é.mp4')
    dataset = make(lines, short_pipeline('drop'), max_bad_share=0, on_error='raise')
    assert batches(dataset, 2)[0].shape[0] == 8
    (short,) = dataset.bad_videos()
    assert short.kind == 'short' and 'has 5 frames' in short.reason
    with pytest.raises(TooManyBadVideosError, match='no usable video in 101 random draws.*needs 7'):
        make(['v 7é.mp4 0'], short_pipeline('drop'))[0]
    with pytest.raises(ShortVideoError):
        make(lines, short_pipeline('drop'), test_mode=True)[7]


def test_test_mode_raises_unless_told_otherwise(make):
    for arguments in ({}, dict(on_error='raise')):
        dataset = make(GOOD + BAD, test_mode=True, max_bad_share=1, **arguments)
        with pytest.raises(BadVideoError, match='empty.mp4: the file is empty'):
            dataset[8]
        assert dataset.bad_videos() == []
    with pytest.raises(TooManyBadVideosError, match='1 of the 10 videos'):
        make(GOOD + BAD, test_mode=True, on_error='skip')[8]


@pytest.mark.parametrize('num_workers', [0, 2])
def test_test_mode_with_skip_draws_the_same_replacements_every_time(make, num_workers):
    lines, pipeline = GOOD + [BAD[1], 'v 7é.mp4 0'], short_pipeline('drop')
    arguments = dict(test_mode=True, on_error='skip', max_bad_share=0.2, seed=5)
    dataset = make(lines, pipeline, **arguments)
    first, second = batches(dataset, num_workers, epochs=(0, 3))
    assert first.shape[0] == 9 and torch.equal(first, second)
    assert torch.equal(first, batches(make(lines, pipeline, **arguments))[0])
    found = {os.path.basename(entry.path): entry for entry in dataset.bad_videos()}
    assert len(dataset.bad_videos()) == 2
    assert found['empty.mp4'].reason == 'the file is empty (0 bytes)'
    assert found['v 7é.mp4'].kind == 'short' and {entry.epoch for entry in found.values()} == {0}


def test_missing_files_count_as_bad_without_the_check(make):
    dataset = make(GOOD + ['gone.mp4 0'], check_files=False, max_bad_share=0.5)
    dataset[7]
    assert [bad.reason for bad in dataset.bad_videos()] == ['no such file']


def test_other_errors_are_not_hidden(make):
    def broken(results):
        raise ZeroDivisionError('a fault in a transform')

    with pytest.raises(ZeroDivisionError):
        make(GOOD, [*PIPELINE[:3], broken])[0]


def test_subsets_report_into_the_same_record(make):
    dataset = make(GOOD + BAD, max_bad_share=1)
    dataset.get_subset([0, 8])[1]
    assert [os.path.basename(bad.path) for bad in dataset.bad_videos()] == ['empty.mp4']


def test_the_record_is_removed_with_the_dataset(make):
    dataset = make(GOOD + BAD, max_bad_share=1)
    batches(dataset, num_workers=2)  # workers that end leave it where it is
    path = dataset.bad_record.file
    assert os.path.exists(path)
    del dataset
    gc.collect()
    assert not os.path.exists(os.path.dirname(path))
