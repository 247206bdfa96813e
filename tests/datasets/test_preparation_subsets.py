"""Low-label lists: stratified, nested, and fixed by the seed."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from mmssl_video.datasets.preparation import make_subsets
from mmssl_video.datasets.preparation.subsets import share_of

SIZES = {0: 100, 1: 37, 2: 5, 3: 1, 4: 72}


@pytest.fixture
def full(tmp_path) -> Path:
    """A list in no order, with spaces in its paths."""
    rows = [
        f'class {label}/v {i}.avi {label}' for label, size in SIZES.items() for i in range(size)
    ]
    random.Random(5).shuffle(rows)
    path = tmp_path / 'train_split1.txt'
    path.write_text(''.join(f'{row}\n' for row in rows))
    return path


def subset(full, percent, seed=0) -> list:
    return full.with_name(f'train_split1_{percent}percent_seed{seed}.txt').read_text().splitlines()


@pytest.mark.parametrize(
    'count, percent, kept',
    [
        (100, 10, 10),
        (5, 10, 1),
        (1, 10, 1),
        (25, 10, 3),
        (35, 10, 4),
        (24, 10, 2),
        (3, 50, 2),
        (7, 100, 7),
        (1000, 0.1, 1),
        (1500, 0.1, 2),
        (115, 1, 1),
    ],
)
def test_rounding(count, percent, kept):
    assert share_of(count, percent) == kept


def test_stratified_and_nested(full):
    made = make_subsets(full, (50, 10, 20, 100))
    rows = full.read_text().splitlines()
    previous: set = set()
    for percent in (10, 20, 50, 100):
        part = subset(full, percent)
        assert Counter(int(row.split()[-1]) for row in part) == {
            label: share_of(size, percent) for label, size in SIZES.items()
        }
        assert previous <= set(part) <= set(rows) and len(set(part)) == len(part)
        assert part == [row for row in rows if row in set(part)]  # in the order of the full list
        previous = set(part)
    assert subset(full, 100) == rows
    assert [m['videos'] for m in made] == [
        sum(share_of(size, p) for size in SIZES.values()) for p in (50, 10, 20, 100)
    ]
    assert made[1] == dict(
        file=str(full.with_name('train_split1_10percent_seed0.txt')),
        percent=10,
        videos=10 + 4 + 1 + 1 + 7,
        classes=5,
        smallest=1,
        largest=10,
    )


def test_fixed_by_the_seed_alone(full):
    make_subsets(full, (10, 20), seed=0)
    make_subsets(full, (10, 20), seed=1)
    first, other = set(subset(full, 20)), set(subset(full, 20, seed=1))
    assert first != other and len(first) == len(other)
    rows = full.read_text().splitlines()
    # the order of the list, other percentages and the other classes do not matter
    full.write_text(''.join(f'{row}\n' for row in sorted(rows) if not row.endswith(' 4')))
    make_subsets(full, (20,), seed=0)
    assert set(subset(full, 20)) == {row for row in first if not row.endswith(' 4')}


def test_every_video_is_as_likely(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text(''.join(f'{i}.mp4 0\n' for i in range(10)))
    counts: Counter = Counter()
    for seed in range(300):
        made = make_subsets(path, (20,), seed=seed)
        counts.update(Path(made[0]['file']).read_text().split()[::2])
    assert len(counts) == 10 and min(counts.values()) > 35 and max(counts.values()) < 90  # mean 60


@pytest.mark.parametrize(
    'text, message',
    [
        ('a.mp4 0\nb.mp4 -1\n', 'line 2.*no class label'),
        ('a.mp4\n', 'line 1.*no class label'),
        ('a.mp4 2.500\n', 'no class label'),
        ('a.mp4 0\n\na.mp4 0\n', 'line 3.*twice'),
        ('\n', 'names no videos'),
    ],
)
def test_lists_that_are_refused(tmp_path, text, message):
    (tmp_path / 'a.txt').write_text(text)
    with pytest.raises(ValueError, match=message):
        make_subsets(tmp_path / 'a.txt')
    assert [path.name for path in tmp_path.iterdir()] == ['a.txt']


def test_other_errors(tmp_path, full):
    with pytest.raises(FileNotFoundError, match='none.txt'):
        make_subsets(tmp_path / 'none.txt')
    for percent in (0, -1, 101):
        with pytest.raises(ValueError, match='percentage'):
            make_subsets(full, (10, percent))
