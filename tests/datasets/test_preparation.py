"""Preparing datasets: small folders in exactly the layouts in which the real ones come."""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from mmaction.registry import DATASETS

from helpers.videos import numbered_frames, write_video
from mmssl_video.datasets.preparation import official, prepare, videos
from mmssl_video.datasets.preparation.oops import failure_time
from mmssl_video.datasets.preparation.output import one_at_a_time
from mmssl_video.datasets.preparation.parallel import Failure, run_jobs
from mmssl_video.datasets.preparation.verification import verify_video

QUIET = dict(show=False, workers=2)


@pytest.fixture(scope='session')
def clip(tmp_path_factory):
    """``clip(path)`` puts a small real video there: AVI as UCF101 has them, MP4, …"""
    made = {}
    folder = tmp_path_factory.mktemp('clips')

    def put(*paths) -> None:
        for path in map(Path, paths):
            if path.suffix not in made:
                made[path.suffix] = write_video(
                    folder / f'clip{path.suffix}', numbered_frames(10, (32, 48)), codec='mpeg4'
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made[path.suffix], path)

    return put


def lines(path) -> list:
    return Path(path).read_text(encoding='utf-8').splitlines()


def report_of(out) -> dict:
    return json.loads((out / 'report.json').read_text(encoding='utf-8'))


def figures(monkeypatch, dataset, **counts) -> None:
    """Let ``counts`` be the official ones (``train_split1='…'`` for ``train_split1.txt``)."""
    monkeypatch.setitem(
        official.OFFICIAL,
        dataset,
        {
            f'{what}.txt' if what.startswith(('train', 'test', 'val')) else what: count
            for what, count in counts.items()
        },
    )


def readable(out, list_file, folder='videos') -> int:
    """Number of videos that our dataset reads from a list that was written."""
    classes = out / 'classes.txt'
    dataset = DATASETS.build(
        dict(
            type='VideoListDataset',
            ann_file=str(out / list_file),
            test_mode=True,
            data_prefix=dict(video=str(out / folder)),
            pipeline=[dict(type='VideoInit')],
            classes=str(classes) if classes.exists() else None,
        )
    )
    assert all(sample['total_frames'] == 10 for sample in dataset)
    return len(dataset)


# -- UCF101 -------------------------------------------------------------------------------------

UCF_CLASSES = ['ApplyEyeMakeup', 'BabyCrawling', 'HandstandPushups']
UCF_COUNTS = dict(
    classes=3,
    videos=9,
    **{
        f'{side}_split{split}': count
        for split in (1, 2, 3)
        for side, count in (('train', 6), ('test', 3))
    },
)


def ucf101(root, clip) -> Path:
    """Three classes of three groups; group g is for testing in split g."""
    lists = root / 'ucfTrainTestlist'
    lists.mkdir(parents=True)
    (lists / 'classInd.txt').write_text(
        ''.join(f'{number} {name}\r\n' for number, name in enumerate(UCF_CLASSES, 1))
    )
    for split in (1, 2, 3):
        parts = dict(train=[], test=[])
        for number, name in enumerate(UCF_CLASSES, 1):
            for group in (1, 2, 3):
                # the lists and most copies spell this one class in two ways
                spelled = name.replace('Handstand', 'HandStand')
                video = f'{name}/v_{spelled}_g{group:02d}_c01.avi'
                clip(root / 'UCF-101' / video)
                parts['test' if group == split else 'train'].append(
                    video if group == split else f'{video} {number}'
                )
        for side, part in parts.items():
            (lists / f'{side}list{split:02d}.txt').write_text(''.join(f'{v}\r\n' for v in part))
    return root


def test_ucf101(tmp_path, clip, monkeypatch):
    src, out = ucf101(tmp_path / 'src', clip), tmp_path / 'data' / 'ucf101'
    figures(monkeypatch, 'ucf101', **UCF_COUNTS)
    report = prepare('ucf101', src, out, **QUIET)
    assert (out / 'videos').is_symlink()
    assert (out / 'videos').resolve() == (src / 'UCF-101').resolve()
    assert lines(out / 'classes.txt') == UCF_CLASSES
    assert lines(out / 'test_split2.txt') == [
        'ApplyEyeMakeup/v_ApplyEyeMakeup_g02_c01.avi 0',
        'BabyCrawling/v_BabyCrawling_g02_c01.avi 1',
        'HandstandPushups/v_HandStandPushups_g02_c01.avi 2',
    ]
    for split in (1, 2, 3):
        assert readable(out, f'train_split{split}.txt') == 6
        assert readable(out, f'test_split{split}.txt') == 3
    assert report == report_of(out)
    assert report['missing'] == report['unlisted'] == report['videos']['bad'] == []
    assert report['videos']['checked'] == 9 and report['videos']['known_before'] == 0
    assert report['videos']['frames'] == dict(min=10, median=10, max=10)
    assert all(row['found'] == row['official'] for row in report['counts'])


@pytest.mark.parametrize('arrange', ['videos beside lists', 'videos folder and --annotations'])
def test_ucf101_wherever_the_parts_lie(tmp_path, clip, monkeypatch, arrange):
    src = ucf101(tmp_path / 'src', clip)
    figures(monkeypatch, 'ucf101', **UCF_COUNTS)
    if arrange == 'videos beside lists':
        options = dict(src=src / 'UCF-101')
    else:
        (tmp_path / 'elsewhere').mkdir()
        shutil.move(src / 'ucfTrainTestlist', tmp_path / 'elsewhere' / 'deep')
        options = dict(src=src / 'UCF-101', annotations=tmp_path / 'elsewhere')
    prepare('ucf101', out=tmp_path / 'out', **options, **QUIET)
    assert readable(tmp_path / 'out', 'train_split3.txt') == 6


def test_count_check_names_what_differs(tmp_path, clip, monkeypatch):
    src, out = ucf101(tmp_path / 'src', clip), tmp_path / 'out'
    with pytest.raises(
        ValueError,
        match=r'not complete \(classes: 3 instead of 101; videos: 9 '
        r'instead of 13320; train_split1.txt: 6 instead of 9537',
    ):
        prepare('ucf101', src, out, **QUIET)  # against the real figures
    assert not (out / 'train_split1.txt').exists() and not (out / 'videos').exists()
    figures(monkeypatch, 'ucf101', **UCF_COUNTS)
    (src / 'UCF-101/BabyCrawling/v_BabyCrawling_g01_c01.avi').unlink()
    clip(src / 'UCF-101/BabyCrawling/v_BabyCrawling_g07_c01.avi')
    with pytest.raises(
        ValueError,
        match='videos: 8 instead of 9.*1 listed videos are missing, '
        'such as BabyCrawling/v_BabyCrawling_g01_c01.avi',
    ):
        prepare('ucf101', src, out, **QUIET)
    prepare('ucf101', src, out, allow_incomplete=True, **QUIET)
    report = report_of(out)
    assert report['missing'] == ['BabyCrawling/v_BabyCrawling_g01_c01.avi']
    assert report['unlisted'] == ['BabyCrawling/v_BabyCrawling_g07_c01.avi']
    text = (out / 'report.txt').read_text()
    assert 'v_BabyCrawling_g01_c01.avi' in text and 'v_BabyCrawling_g07_c01.avi' in text
    assert readable(out, 'test_split1.txt') == 2 and readable(out, 'train_split2.txt') == 5


def test_other_spellings_are_found_and_counted(tmp_path, clip, monkeypatch):
    src, out = ucf101(tmp_path / 'src', clip), tmp_path / 'out'
    figures(monkeypatch, 'ucf101', **UCF_COUNTS)
    folder = src / 'UCF-101' / 'HandstandPushups'
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace('HandStand', 'Handstand'))
    (src / 'UCF-101/BabyCrawling/v_BabyCrawling_g01_c01.avi').unlink()
    clip(src / 'UCF-101/BabyCrawling/v_BabyCrawling_g01_c01.mp4')
    report = prepare('ucf101', src, out, **QUIET)
    assert report['missing'] == [] and any('4 videos bear names' in n for n in report['notices'])
    assert 'BabyCrawling/v_BabyCrawling_g01_c01.mp4 1' in lines(out / 'test_split1.txt')
    assert readable(out, 'train_split1.txt') == 6
    clip(src / 'UCF-101/BabyCrawling/V_BabyCrawling_g01_c01.mp4')
    with pytest.raises(ValueError, match='could be any of'):
        prepare('ucf101', src, out, **QUIET)


@pytest.mark.parametrize(
    'file, text, message',
    [
        ('classInd.txt', '1 A\n3 B\n', 'without gaps'),
        ('classInd.txt', 'A 1\n', 'is not "number'),
        ('trainlist01.txt', 'BabyCrawling/v_BabyCrawling_g01_c01.avi 1\n', 'line 1.*does not fit'),
        ('testlist03.txt', '\nSkiing/v_Skiing_g01_c01.avi\n', 'line 2.*does not fit'),
        ('testlist01.txt', 'BabyCrawling/v_BabyCrawling_g02_c01.avi\n', 'are in both train_split1'),
        ('testlist01.txt', 'BabyCrawling/v_BabyCrawling_g01_c01.avi\n' * 2, 'twice'),
    ],
)
def test_damaged_lists_are_refused(tmp_path, clip, file, text, message):
    src = ucf101(tmp_path / 'src', clip)
    (src / 'ucfTrainTestlist' / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        prepare('ucf101', src, tmp_path / 'out', allow_incomplete=True, **QUIET)


@pytest.mark.parametrize(
    'dataset, message',
    [
        ('ucf101', 'still packed: UCF101.rar'),
        ('hmdb51', 'testTrainMulti_7030_splits'),
        ('kinetics400', 'train.csv'),
        ('oops', 'transition_times.json'),
        ('folder', 'no videos'),
    ],
)
def test_a_folder_that_holds_something_else(tmp_path, dataset, message):
    (tmp_path / 'src' / 'x').mkdir(parents=True)
    (tmp_path / 'src' / 'UCF101.rar').write_bytes(b'Rar!')
    with pytest.raises(FileNotFoundError, match=message):
        prepare(dataset, tmp_path / 'src', tmp_path / 'out', **QUIET)
    with pytest.raises(NotADirectoryError, match='unpacked'):
        prepare(dataset, tmp_path / 'src' / 'UCF101.rar', tmp_path / 'out', **QUIET)


# -- HMDB51 -------------------------------------------------------------------------------------


def hmdb51(root, clip) -> Path:
    """Two classes of five videos: flags rotate, so that one is unused in each split."""
    lists = root / 'testTrainMulti_7030_splits'
    lists.mkdir(parents=True)
    for name in ('brush_hair', 'sit'):
        names = [f'#20_A & B (1)!_{name}_{i}.avi' for i in range(5)]
        clip(*(root / 'hmdb51_org' / name / each for each in names))
        for split in (1, 2, 3):
            flags = [1, 1, 2, 0, 1][split:] + [1, 1, 2, 0, 1][:split]
            (lists / f'{name}_test_split{split}.txt').write_text(
                ''.join(f'{each} {flag} \n' for each, flag in zip(names, flags))
            )
    return root


def test_hmdb51(tmp_path, clip, monkeypatch):
    src, out = hmdb51(tmp_path / 'src', clip), tmp_path / 'out'
    with pytest.raises(
        ValueError,
        match='classes without 70 training and 30 test videos in each split: 2 instead of 0',
    ):
        prepare('hmdb51', src, out, **QUIET)
    counts = dict(classes=2, videos=10, train_split1=6, test_split1=2, train_split3=6)
    figures(monkeypatch, 'hmdb51', **counts)
    clip(src / 'hmdb51_org' / 'sit' / 'extra.avi')
    report = prepare('hmdb51', src / 'hmdb51_org', out, **QUIET)  # lists are beside it
    assert lines(out / 'classes.txt') == ['brush_hair', 'sit']
    assert lines(out / 'test_split1.txt') == [  # flags 1 2 0 1 1
        'brush_hair/#20_A & B (1)!_brush_hair_1.avi 0',
        'sit/#20_A & B (1)!_sit_1.avi 1',
    ]
    assert lines(out / 'train_split2.txt')[:3] == [  # flags 2 0 1 1 1
        f'brush_hair/#20_A & B (1)!_brush_hair_{i}.avi 0' for i in (2, 3, 4)
    ]
    assert readable(out, 'train_split1.txt') == 6
    assert report['unlisted'] == ['sit/extra.avi']
    (src / 'testTrainMulti_7030_splits' / 'sit_test_split2.txt').write_text('a.avi 3\n')
    with pytest.raises(ValueError, match='flag 0, 1 or 2'):
        prepare('hmdb51', src, out, **QUIET)
    (src / 'testTrainMulti_7030_splits' / 'sit_test_split2.txt').unlink()
    with pytest.raises(FileNotFoundError, match='lacks 1 files, such as sit_test_split2.txt'):
        prepare('hmdb51', src, out, **QUIET)


# -- Kinetics-400 -------------------------------------------------------------------------------

K400 = {
    'train': [
        ('air drumming', 'aaaaaaaaaa0', 5, 15),
        ('air drumming', '-bbbbb_bbb1', 0, 10),
        ("massaging person's head", 'cccccccccc2', 100, 110),
    ],
    'val': [
        ("massaging person's head", 'dddddddddd3', 7, 17),
        ('air drumming', 'eeeeeeeeee4', 33, 43),
    ],
}


def k400_csv(folder) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for side, rows in K400.items():
        (folder / f'{side}.csv').write_text(
            'label,youtube_id,time_start,time_end,split,is_cc\n'
            + (
                ''.join(
                    f'"{label}",{name},{start},{end},{side},0\n' for label, name, start, end in rows
                )
            )
        )
    (folder / 'test.csv').write_text('youtube_id,time_start,time_end,split\nfffffffff5,1,11,test\n')


def k400_names(side, pattern) -> list:
    return [
        pattern.format(
            side=side,
            label=label,
            under=label.replace(' ', '_'),
            clip=f'{name}_{start:06d}_{end:06d}',
            id=name,
        )
        for label, name, start, end in K400[side]
    ]


@pytest.mark.parametrize(
    'pattern, with_csv',
    [
        ('{side}/{label}/{clip}.mp4', False),
        ('videos_{side}/{under}/{clip}.mp4', False),
        ('videos/{side}/{label}/{clip}.mp4', True),
        ('{side}/{clip}.mp4', True),
        ('k400/{side}_256/{under}/{clip}.mkv', True),
        ('flat/{clip}.mp4', True),
        ('{side}/{id}.mp4', True),
    ],
)
def test_kinetics_layouts(tmp_path, clip, monkeypatch, pattern, with_csv):
    src, out = tmp_path / 'src', tmp_path / 'out'
    for side in K400:
        clip(*(src / name for name in k400_names(side, pattern)))
    if with_csv:
        k400_csv(src / 'annotations')
    figures(monkeypatch, 'kinetics400', classes=2, train=3, val=2)
    report = prepare('kinetics400', src, out, **QUIET)
    assert [name.replace('_', ' ') for name in lines(out / 'classes.txt')] == [
        'air drumming',
        "massaging person's head",
    ]
    assert sorted(int(line.split()[-1]) for line in lines(out / 'train.txt')) == [0, 0, 1]
    assert {line.rsplit(' ', 1)[1] for line in lines(out / 'val.txt') if 'dddd' in line} == {'1'}
    assert readable(out, 'train.txt', 'videos_train') == 3
    assert readable(out, 'val.txt', 'videos_val') == 2
    assert report['missing'] == report['unlisted'] == []
    assert any('cannot be named' in notice for notice in report['notices']) != with_csv


def test_kinetics_missing_videos_are_fine_up_to_a_share(tmp_path, clip, capsys):
    src, out = tmp_path / 'src', tmp_path / 'out'
    for side in K400:
        clip(*(src / name for name in k400_names(side, '{side}/{label}/{clip}.mp4')))
    with pytest.raises(ValueError, match='246531 of the 246534 videos for train.txt are missing'):
        prepare('kinetics400', src, out, **QUIET)  # without CSV: against the official figures
    k400_csv(src)
    clip(src / 'train' / 'air drumming' / 'zzzzzzzzzzz_000001_000011.mp4')
    gone = next((src / 'train').rglob('-bbbbb_bbb1*'))
    gone.unlink()
    with pytest.raises(ValueError, match='1 of the 3 videos for train.txt are missing.*--max-miss'):
        prepare('kinetics400', src, out, **QUIET)
    report = prepare('kinetics400', src, out, max_missing=0.34, workers=1)
    assert report['missing'] == ['-bbbbb_bbb1_000000_000010.mp4 (air drumming)']
    assert [Path(name).name for name in report['unlisted']] == ['zzzzzzzzzzz_000001_000011.mp4']
    assert len(lines(out / 'train.txt')) == 2
    text = capsys.readouterr().out
    assert '246,534  (-246,532)' in text and '-bbbbb_bbb1_000000_000010.mp4' in text


def test_kinetics_lists_of_mmaction2(tmp_path, clip):
    src, out = tmp_path / 'src', tmp_path / 'out'
    for side, labels in (('train', (1, 1, 0)), ('val', (0, 1))):
        names = k400_names(side, '{under}/{clip}.mp4')
        clip(*(src / f'videos_{side}' / name for name in names))
        (src / f'kinetics400_{side}_list_videos.txt').write_text(
            ''.join(f'{name} {label}\n' for name, label in zip(names, labels))
        )
    prepare('kinetics400', src, src, **QUIET)  # SRC laid out as OUT would be: nothing to link
    assert lines(src / 'classes.txt') == ["massaging_person's_head", 'air_drumming']
    assert not (src / 'videos_train').is_symlink()
    assert readable(src, 'val.txt', 'videos_val') == 2
    shutil.move(src / 'videos_val', src / 'other')
    with pytest.raises(FileNotFoundError, match='no val videos found'):
        prepare('kinetics400', src, out, **QUIET)


# -- Oops ---------------------------------------------------------------------------------------

OOPS = {
    'train': {
        'Best Fails (May 2017) _ FailArmy0': [3.5, -1, 1.0],
        'Cats12': [-1, -1, 2.0],
        'Dogs & Co.3': None,
    },
    'val': {'Best Fails 7': [0.1, 0.3, 0.2], 'Late0': [9.0, 9.0, 9.5]},
}


def oops(root, clip) -> Path:
    notes, times = root / 'annotations', {}
    notes.mkdir(parents=True)
    for side, videos_of in OOPS.items():
        clip(*(root / 'oops_video' / side / f'{name}.mp4' for name in videos_of))
        clip(root / 'oops_video' / side / 'Bad cut1.mp4')
        (notes / f'{side}_filtered.txt').write_text(''.join(f'{name}\n' for name in videos_of))
        (notes / f'{side}.txt').write_text(''.join(f'{n}\n' for n in [*videos_of, 'Bad cut1']))
        times.update(
            {
                name: dict(t=t, len=10, n_notfound=sum(x < 0 for x in t))
                for name, t in videos_of.items()
                if t
            }
        )
    (notes / 'transition_times.json').write_text(json.dumps(times))
    return root


def test_failure_time_is_the_median_of_an_agreed_failure():
    assert failure_time(dict(t=[3, 1, 2])) == 2.0
    assert failure_time(dict(t=[-1, 4, 2])) == 3.0
    assert failure_time(dict(t=[-1, -1, 2])) is None
    assert failure_time(dict(t=[0.0])) == 0.0 and failure_time(dict(t=[-1])) is None
    assert failure_time(dict(t=[-1, 1])) is None


def test_oops(tmp_path, clip):
    src, out = oops(tmp_path / 'src', clip), tmp_path / 'out'
    report = prepare('oops', src, out, **QUIET)
    assert lines(out / 'train.txt') == ['train/Best Fails (May 2017) _ FailArmy0.mp4 2.250']
    assert lines(out / 'val.txt') == ['val/Best Fails 7.mp4 0.200', 'val/Late0.mp4 9.000']
    assert readable(out, 'pretrain.txt') == 3
    assert sorted(map(len, report['left_out'].values())) == [1, 1]
    assert [names for why, names in report['left_out'].items() if 'no agreed' in why] == [
        ['train/Cats12.mp4']
    ]
    assert report['unlisted'] == ['train/Bad cut1.mp4', 'val/Bad cut1.mp4']
    assert report['videos']['time_outside'] == [  # the clips have 10 frames at 25 per second
        'videos/train/Best Fails (May 2017) _ FailArmy0.mp4',
        'videos/val/Late0.mp4',
    ]
    assert not (out / 'classes.txt').exists()
    report = prepare('oops', src / 'oops_video', tmp_path / 'all', unfiltered=True, **QUIET)
    assert len(lines(tmp_path / 'all' / 'pretrain.txt')) == 4 and report['unlisted'] == []
    (src / 'oops_video/val/Late0.mp4').unlink()
    with pytest.raises(ValueError, match='1 of the 2 videos for val.txt are missing'):
        prepare('oops', src, out, **QUIET)
    assert prepare('oops', src, out, max_missing=0.5, **QUIET)['missing'] == ['val/Late0.mp4']
    (src / 'annotations' / 'transition_times.json').write_text('{"Cats12": {"t": 3}}')
    with pytest.raises(ValueError, match="'Cats12' has no list of times"):
        prepare('oops', src, out, **QUIET)


# -- folders ------------------------------------------------------------------------------------


def test_folder(tmp_path, clip):
    src, out = tmp_path / 'mine', tmp_path / 'out'
    clip(*(src / name / f'{i} x.avi' for name in ('wave', 'jump é') for i in range(4)))
    report = prepare('folder', src, out, test_share=0.5, seed=3, **QUIET)
    assert lines(out / 'classes.txt') == ['jump é', 'wave']
    train, test, both = (lines(out / f'{name}.txt') for name in ('train', 'test', 'all'))
    assert sorted(train + test) == both and len(test) == 4
    assert readable(out, 'test.txt') == 4 and report['counts'][1]['found'] == 8
    prepare('folder', src, tmp_path / 'other', test_share=0.5, seed=4, **QUIET)
    assert lines(tmp_path / 'other' / 'test.txt') != test


def test_folder_with_a_split_of_its_own(tmp_path, clip):
    src, out = tmp_path / 'mine', tmp_path / 'out'
    clip(*(src / side / name / 'a.mp4' for side in ('train', 'val') for name in ('run', 'sit')))
    prepare('folder', src, out, **QUIET)
    assert lines(out / 'val.txt') == ['val/run/a.mp4 0', 'val/sit/a.mp4 1']
    assert not (out / 'test.txt').exists()


def test_folder_without_classes(tmp_path, clip):
    src = tmp_path / 'mine'
    clip(src / 'deep' / 'wave' / 'a.mp4', src / 'deep' / 'jump' / 'b.mp4')
    report = prepare('folder', src, tmp_path / 'out', **QUIET)
    assert {line.split()[-1] for line in lines(tmp_path / 'out' / 'all.txt')} == {'-1'}
    assert any('Did you mean' in n or 'did you mean' in n for n in report['notices'])


# -- verification -------------------------------------------------------------------------------


def test_bad_videos_stay_and_are_named_or_are_dropped(tmp_path, clip, capsys):
    src, out = tmp_path / 'mine', tmp_path / 'out'
    clip(*(src / name / f'{i}.avi' for name in 'ab' for i in range(3)))
    whole = (src / 'a' / '0.avi').read_bytes()
    (src / 'a' / '0.avi').write_bytes(whole[: len(whole) * 2 // 3])
    (src / 'b' / '1.avi').write_bytes(b'')
    with pytest.raises(
        RuntimeError,
        match='2 of 6 videos are bad and still in the lists, such as '
        r'videos/a/0.avi \(.*--drop-bad',
    ):
        prepare('folder', src, out)
    assert len(lines(out / 'all.txt')) == 6
    bad = {entry['video']: entry['reason'] for entry in report_of(out)['videos']['bad']}
    assert list(bad) == ['videos/a/0.avi', 'videos/b/1.avi']
    assert bad['videos/b/1.avi'] == 'the file is empty (0 bytes)'
    printed = capsys.readouterr()
    assert 'videos/a/0.avi: ' in printed.out and 'videos: 6/6' in printed.err
    assert '2 bad' in printed.err
    report = prepare('folder', src, out, drop_bad=True, **QUIET)
    assert report['videos']['known_before'] == 4 and len(report['videos']['bad']) == 2
    assert len(lines(out / 'all.txt')) == 4 and readable(out, 'all.txt') == 4
    assert 'videos/b/1.avi' in (out / 'report.txt').read_text()
    (src / 'a' / '0.avi').write_bytes(whole)  # mended: looked at again
    clip(src / 'b' / '1.avi')
    report = prepare('folder', src, out, **QUIET)
    assert report['videos']['known_before'] == 4 and len(lines(out / 'all.txt')) == 6
    (src / 'a' / '2.avi').write_bytes(b'changed')  # was sound, and known
    with pytest.raises(RuntimeError, match='1 of 6 videos are bad'):
        prepare('folder', src, out, **QUIET)


def test_odd_real_files(shared_data, tmp_path):
    if not (shared_data / 'videos' / 'odd').is_dir():
        pytest.skip('the optional test data hold no odd videos')
    report = prepare(
        'folder',
        shared_data / 'videos' / 'odd',
        tmp_path / 'out',
        drop_bad=True,
        resize=64,
        **QUIET,
    )
    bad = {Path(entry['video']).name for entry in report['videos']['bad']}
    assert bad == {
        'audio_only.mp4',
        'text_file.mp4',
        'truncated_faststart_half.mp4',
        'truncated_moov_missing.mp4',
        'zero_bytes.mp4',
    }
    kept = [line.rsplit(' ', 1)[0] for line in lines(tmp_path / 'out' / 'all.txt')]
    assert len(kept) == report['videos']['checked'] - 5
    for name in kept:
        source = next((shared_data / 'videos' / 'odd').glob(f'{Path(name).stem}.*'))
        assert (
            verify_video(tmp_path / 'out' / 'videos' / name)['frames']
            == verify_video(source)['frames']
        )
    assert report['videos']['variable_frame_rate'] == ['videos/h264_vfr.mp4']


def test_list_only(tmp_path, clip):
    clip(tmp_path / 'mine' / 'a' / '1.mp4', tmp_path / 'mine' / 'b' / '1.mp4')
    (tmp_path / 'mine' / 'b' / '1.mp4').write_bytes(b'')
    report = prepare('folder', tmp_path / 'mine', tmp_path / 'out', verify=False, **QUIET)
    assert report['videos']['checked'] == 0
    assert 'not verified' in (tmp_path / 'out' / 'report.txt').read_text()


# -- workers ------------------------------------------------------------------------------------


def crash():
    faulthandler.disable()  # pytest's, which would print
    os.kill(os.getpid(), signal.SIGSEGV)


def _job(job):
    if job == 'crash':
        crash()
    if job == 'hang':
        time.sleep(60)
    if job == 'leave':
        os._exit(3)
    if job == 'fault':
        raise RuntimeError('disk full')
    return job * 2


def test_a_crash_or_a_hang_is_laid_to_its_job():
    jobs = [1, 'crash', 2, 'hang', 3, 'leave', 4]
    start = time.monotonic()
    results = dict(run_jobs(_job, jobs, workers=2, timeout=2))
    assert time.monotonic() - start < 15
    assert {i: results[i] for i in (0, 2, 4, 6)} == {0: 2, 2: 4, 4: 6, 6: 8}
    assert results[1] == Failure('crashed the process that read it (SIGSEGV)')
    assert results[3] == Failure('took longer than 2 s')
    assert results[5] == Failure('ended the process that read it (exit code 3)')
    with pytest.raises(RuntimeError, match='^disk full$'):
        list(run_jobs(_job, [1, 'fault', 2], workers=1, timeout=9))


def test_a_video_that_crashes_its_reader_is_reported(tmp_path, clip, monkeypatch):
    real = videos.verify_video

    def verify(path):  # as a decoder may on a damaged file
        return crash() if Path(path).name == '1.avi' else real(path)

    monkeypatch.setattr(videos, 'verify_video', verify)
    clip(*(tmp_path / 'mine' / name / f'{i}.avi' for name in 'ab' for i in range(3)))
    report = prepare('folder', tmp_path / 'mine', tmp_path / 'out', drop_bad=True, **QUIET)
    assert report['videos']['bad'] == [
        dict(video=f'videos/{name}/1.avi', reason='crashed the process that read it (SIGSEGV)')
        for name in 'ab'
    ]
    assert len(lines(tmp_path / 'out' / 'all.txt')) == 4


def test_a_full_disk_ends_the_run_and_marks_no_video_as_bad(tmp_path, clip, monkeypatch):
    def full(source, target, short):
        raise OSError(errno.ENOSPC, 'No space left on device')

    real = videos.reencode
    monkeypatch.setattr(videos, 'reencode', full)
    src, out = tmp_path / 'mine', tmp_path / 'out'
    clip(*(src / name / f'{i}.avi' for name in 'ab' for i in range(2)))
    with pytest.raises(RuntimeError, match='mp4 cannot be written: No space left on device$'):
        prepare('folder', src, out, resize=32, drop_bad=True, **QUIET)
    assert not (out / 'train.txt').exists()
    monkeypatch.setattr(videos, 'reencode', real)
    report = prepare('folder', src, out, resize=32, **QUIET)
    assert report['videos']['checked'] == 4 and report['videos']['known_before'] == 0


def test_one_run_at_a_time(tmp_path, clip):
    clip(tmp_path / 'mine' / 'a' / '1.mp4', tmp_path / 'mine' / 'b' / '1.mp4')
    at_work = pytest.raises(RuntimeError, match='another run of mmssl prepare is at work')
    with one_at_a_time(tmp_path / 'out'), at_work:
        prepare('folder', tmp_path / 'mine', tmp_path / 'out', **QUIET)
    prepare('folder', tmp_path / 'mine', tmp_path / 'out', **QUIET)


def test_a_folder_without_a_sound_video_is_reported(tmp_path):
    for name in ('a/1.mp4', 'b/2.mp4'):
        (tmp_path / 'src' / name).parent.mkdir(parents=True)
        (tmp_path / 'src' / name).write_bytes(b'no video at all')
    with pytest.raises(RuntimeError, match='2 of 2 videos are bad'):
        prepare('folder', tmp_path / 'src', tmp_path / 'out', **QUIET)
    assert '2 videos verified' in (tmp_path / 'out' / 'report.txt').read_text()
