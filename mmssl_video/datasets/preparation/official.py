"""How many classes and videos the datasets hold, by their makers."""

from __future__ import annotations

# UCF101: Soomro et al. 2012, and the lines of ucfTrainTestlist. HMDB51: the lines of
# testTrainMulti_7030_splits (51 classes x 70 and 30). Kinetics-400: the lines of the annotation
# files train.csv and val.csv; copies hold fewer videos, since some are gone from the web. Oops: the
# README of its annotations, which counts labelled videos before the agreement of the annotators.
OFFICIAL: dict = {
    'ucf101': {
        'classes': 101,
        'videos': 13320,
        'train_split1.txt': 9537,
        'test_split1.txt': 3783,
        'train_split2.txt': 9586,
        'test_split2.txt': 3734,
        'train_split3.txt': 9624,
        'test_split3.txt': 3696,
    },
    'hmdb51': {
        'classes': 51,
        'videos': 6766,
        'train_split1.txt': 3570,
        'test_split1.txt': 1530,
        'train_split2.txt': 3570,
        'test_split2.txt': 1530,
        'train_split3.txt': 3570,
        'test_split3.txt': 1530,
        'classes without 70 training and 30 test videos in each split': 0,
    },
    'kinetics400': {'classes': 400, 'train.txt': 246534, 'val.txt': 19906},
    'oops': {'training videos': 16013, 'validation videos': 4712},
    'folder': {},
}


def compare(dataset: str, found: dict) -> list[dict]:
    """Rows ``dict(what, found, official)``; ``official`` is ``None`` where there is no figure."""
    official = OFFICIAL[dataset]
    return [
        dict(what=what, found=found.get(what, 0), official=official.get(what))
        for what in [*official, *(what for what in found if what not in official)]
    ]
