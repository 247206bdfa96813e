"""HMDB51 as it is distributed: ``<class>/*.avi`` and ``testTrainMulti_7030_splits/*.txt``."""

from __future__ import annotations

import re
from pathlib import Path

from .layout import Layout, ListFile, missing_message
from .list_files import read_lines
from .source import VideoIndex, annotation_roots, find_class_root, find_folder

_FILE = re.compile(r'(.+)_test_split([123])\.txt')
_SIDES = {'1': 'train', '2': 'test'}  # 0: not used in this split


def read_hmdb51(src: Path, annotations=None) -> Layout:
    """Read the three official 70/30 splits.

    Args:
        src: Folder that holds the class folders, or a folder above.
        annotations: Folder that holds ``testTrainMulti_7030_splits`` (or is it); by default looked
            for in ``src`` and beside it.

    Returns:
        Labels number the classes in alphabetical order.

    Raises:
        FileNotFoundError: Lists or videos are not found.
        ValueError: A list cannot be understood.
    """
    roots = annotation_roots(src, annotations)
    lists = find_folder(roots, lambda folder: any(folder.glob('*_test_split1.txt')))
    if lists is None:
        raise FileNotFoundError(
            missing_message(
                'splits',
                roots[0],
                'testTrainMulti_7030_splits/<class>_test_split1.txt (or give its '
                'folder with --annotations)',
            )
        )
    files = {
        (match[1], int(match[2])): path
        for path in lists.iterdir()
        for match in [_FILE.fullmatch(path.name)]
        if match
    }
    classes = sorted({name for name, _ in files})
    absent = [
        f'{name}_test_split{split}.txt'
        for name in classes
        for split in (1, 2, 3)
        if (name, split) not in files
    ]
    if absent:
        raise FileNotFoundError(f'{lists} lacks {len(absent)} files, such as {absent[0]}.')
    root = find_class_root(src, classes)
    if root is None:
        raise FileNotFoundError(
            missing_message(
                'videos',
                src,
                '<class>/*.avi with the classes of '
                f'{lists.name} (each class is an archive of its '
                'own inside hmdb51_org.rar)',
            )
        )
    index = VideoIndex(root)
    layout = Layout(
        dict(videos=root),
        {
            f'{side}_split{split}.txt': ListFile('videos', [])
            for split in (1, 2, 3)
            for side in ('train', 'test')
        },
        classes,
    )
    uneven, named = set(), set()
    unused: dict[str, bool] = {}
    for label, name in enumerate(classes):
        for split in (1, 2, 3):
            count = dict(train=0, test=0)
            for number, line in read_lines(files[name, split]):
                match = re.fullmatch(r'(\S.*?)\s+([012])', line)
                if not match:
                    raise ValueError(
                        f'{files[name, split]}, line {number}: {line!r} is not '
                        '"video.avi FLAG" with flag 0, 1 or 2.'
                    )
                path = f'{name}/{match[1]}'
                video, side = index.find(path), _SIDES.get(match[2])
                named.add(path)
                unused[path] = unused.get(path, True) and side is None
                if side is None:
                    continue
                count[side] += 1
                listed = layout.lists[f'{side}_split{split}.txt']
                if video is None:
                    listed.missing.append(path)
                else:
                    listed.entries.append((video, label))
            if count != dict(train=70, test=30):
                uneven.add(name)
    layout.unlisted, layout.respelled = index.unlisted(), index.respelled
    layout.left_out['flag 0 in all three splits'] = sorted(
        path for path, never in unused.items() if never
    )
    layout.found = dict(
        classes=len(classes),
        videos=len(index.used),
        **{name: len(listed.entries) for name, listed in layout.lists.items()},
    )
    layout.found['classes without 70 training and 30 test videos in each split'] = len(uneven)
    if uneven:
        layout.notices.append(
            f'Classes whose splits are not 70 and 30: {", ".join(sorted(uneven))}.'
        )
    absent = sorted(path for path in named if unused[path] and index.find(path) is None)
    if absent:  # of no consequence for the lists, so no error
        layout.notices.append(
            f'{len(absent)} videos that no split uses are not there, such as {absent[0]}.'
        )
    return layout
