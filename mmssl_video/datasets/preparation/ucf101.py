"""UCF101 as it is distributed: ``UCF-101/<Class>/v_*.avi`` and ``ucfTrainTestlist/*.txt``."""

from __future__ import annotations

import re
from pathlib import Path

from .layout import Layout, ListFile, missing_message
from .list_files import read_lines
from .source import VideoIndex, annotation_roots, find_class_root, find_folder


def read_ucf101(src: Path, annotations=None) -> Layout:
    """Read the three official splits of action recognition.

    Args:
        src: Folder that holds ``UCF-101`` (or is it).
        annotations: Folder that holds ``ucfTrainTestlist`` (or is it); by default looked for in
            ``src`` and beside it.

    Returns:
        Labels are the ids of ``classInd.txt`` less one (those start at 1).

    Raises:
        FileNotFoundError: Lists or videos are not found.
        ValueError: A list cannot be understood.
    """
    roots = annotation_roots(src, annotations)
    lists = find_folder(roots, lambda folder: (folder / 'classInd.txt').is_file())
    if lists is None:
        raise FileNotFoundError(
            missing_message(
                'list of classes',
                roots[0],
                'ucfTrainTestlist/classInd.txt of the "Train/Test Splits '
                'for Action Recognition" (or give its folder with --annotations)',
            )
        )
    classes = _classes(lists / 'classInd.txt')
    root = find_class_root(src, classes)
    if root is None:
        raise FileNotFoundError(
            missing_message(
                'videos', src, 'UCF-101/<Class>/v_*.avi with the classes of classInd.txt'
            )
        )
    index = VideoIndex(root)
    labels = {name.lower(): label for label, name in enumerate(classes)}
    layout = Layout(dict(videos=root), {}, classes)
    for split in (1, 2, 3):
        for side in ('train', 'test'):
            listed = ListFile('videos', [])
            for path, label in _entries(lists / f'{side}list{split:02d}.txt', labels):
                video = index.find(path)
                if video is None:
                    listed.missing.append(path)
                else:
                    listed.entries.append((video, label))
            layout.lists[f'{side}_split{split}.txt'] = listed
    layout.unlisted, layout.respelled = index.unlisted(), index.respelled
    layout.found = dict(
        classes=len(classes),
        videos=len(index.used),
        **{name: len(listed.entries) for name, listed in layout.lists.items()},
    )
    return layout


def _classes(path: Path) -> list[str]:
    names = {}
    for number, line in read_lines(path):
        match = re.fullmatch(r'(\d+)\s+(\S+)', line)
        if not match or int(match[1]) in names:
            raise ValueError(
                f'{path}, line {number}: {line!r} is not "number Class" with a number of its own.'
            )
        names[int(match[1])] = match[2]
    if sorted(names) != list(range(1, len(names) + 1)):
        raise ValueError(f'{path}: the classes must be numbered 1, 2, … without gaps.')
    return [names[number] for number in sorted(names)]


def _entries(path: Path, labels: dict):
    """Videos and labels of a train list (path and class number) or a test list (path only)."""
    for number, line in read_lines(path):
        match = re.fullmatch(r'(\S+?/\S.*?)(?:\s+(\d+))?', line)
        label = labels.get(match[1].split('/')[0].lower()) if match else None
        if match is None or label is None or (match[2] and int(match[2]) != label + 1):
            raise ValueError(
                f'{path}, line {number}: {line!r} does not fit the classes of '
                'classInd.txt (Class/video.avi, in train lists with the class '
                'number).'
            )
        yield match[1], label
