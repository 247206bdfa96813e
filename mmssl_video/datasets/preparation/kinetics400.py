"""Kinetics-400 in the layouts in which copies of it go round, with or without official CSV files.

Videos: ``train/<class>/<id>_<start>_<end>.mp4``, ``videos_train/<class>/…`` (mmaction2),
``videos/train/<class>/…``, ``train/<id>_<start>_<end>.mp4``, or one flat folder; likewise ``val``.
Annotations: the official CSV files, mmaction2's list files, or else the class folders.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path

from .layout import Layout, ListFile, missing_message
from .list_files import read_lines
from .source import VideoIndex, annotation_roots, folders_below, subfolders

_SIDES = {'train': 'train', 'val': 'val', 'valid': 'val', 'validate': 'val', 'validation': 'val'}
_SIDE_FOLDER = re.compile(
    r'(?:videos?_)?(train|val|valid|validate|validation)(?:_?\d+p?)?', re.IGNORECASE
)
_SIDE_FILE = re.compile(
    r'(?:k(?:inetics)?[-_]?400[-_]|kinetics[-_])?(train|val|valid|validate|'
    r'validation)(?:_list_videos)?',
    re.IGNORECASE,
)
_EXPECTED = (
    '{train,val}/<class>/<id>_<start>_<end>.mp4, videos_{train,val}/<class>/…, or a flat '
    'folder of videos with train.csv and val.csv'
)


def read_kinetics400(src: Path, annotations=None) -> Layout:
    """Read whatever layout there is.

    Args:
        src: Folder that holds the videos, see the head of the file.
        annotations: Folder with ``train.csv`` and ``val.csv`` (columns ``label, youtube_id,
            time_start, time_end, split``) or mmaction2's ``*_{train,val}_list_videos.txt``; by
            default looked for in ``src`` and the folders in it. CSV files go before lists, lists
            before class folders.

    Returns:
        Labels number the classes in alphabetical order, or are those of mmaction2's lists.

    Raises:
        FileNotFoundError: No videos are found, or no classes for them.
        ValueError: Annotations cannot be understood.
    """
    folders = _video_folders(src)
    roots = annotation_roots(src, annotations)[:1]  # train.csv beside SRC may be another dataset's
    rows, lists = _csv_rows(roots[0]), _list_files(roots[0])
    if rows or lists:
        # a flat folder, or one whose lists alone tell the sides apart
        folders = folders or dict.fromkeys(('train', 'val'), Path(src))
    elif len(folders) < 2 or len(set(folders.values())) < 2:
        raise FileNotFoundError(missing_message('training and validation videos', src, _EXPECTED))
    for side in ('train', 'val'):
        if side not in folders:
            raise FileNotFoundError(missing_message(f'{side} videos', src, _EXPECTED))
    indices = {path: VideoIndex(path) for path in folders.values()}
    if not any(index.paths for index in indices.values()):
        raise FileNotFoundError(missing_message('videos', src, _EXPECTED))
    layout = Layout(
        {f'videos_{side}': folders[side] for side in ('train', 'val')}, {}, may_miss=True
    )
    for side in ('train', 'val'):
        layout.lists[f'{side}.txt'] = ListFile(f'videos_{side}', [])
    pairs = {side: indices[folders[side]] for side in ('train', 'val')}
    if rows:
        _from_csv(layout, rows, pairs)
    elif lists:
        _from_lists(layout, lists, pairs)
    else:
        _from_folders(layout, pairs)
    if rows or lists:
        for listed in layout.lists.values():
            listed.named = len(listed.entries) + len(listed.missing)
    layout.unlisted = [
        f'{path}/{name}' for path, index in indices.items() for name in index.unlisted()
    ]
    layout.respelled = sum(index.respelled for index in indices.values())
    layout.found = dict(
        classes=len(layout.classes),
        **{name: len(listed.entries) for name, listed in layout.lists.items()},
    )
    replacement = [folder for folder in folders_below(src, 2) if 'replacement' in folder.name]
    if replacement:
        layout.notices.append(
            f'{replacement[0]} seems to hold whole copies of damaged videos: put '
            'them in the place of those (same names) and run this again.'
        )
    return layout


def _video_folders(src: Path) -> dict:
    """Side -> folder of videos, by the names of the folders nearest to ``src``."""
    src = Path(src)
    for depth in (1, 2, 3):
        folder_of: dict = {}
        for folder in folders_below(src, depth):
            match = _SIDE_FOLDER.fullmatch(folder.name) if folder != src else None
            if not match:
                continue
            side = _SIDES[match[1].lower()]
            if side in folder_of and folder_of[side].parent == folder.parent:
                raise ValueError(
                    f'both {str(folder_of[side])!r} and {str(folder)!r} could hold the '
                    f'{side} videos: move one of them away.'
                )
            folder_of.setdefault(side, folder)
        if folder_of:
            return folder_of
    return {}


def _tables(root: Path, suffix: str) -> Iterator[tuple[str | None, Path]]:
    """``(side by the file's name, path)`` of the files of a kind near ``root``."""
    for folder in [
        root,
        *(root / name for name in subfolders(root) if not _SIDE_FOLDER.fullmatch(name)),
    ]:
        for path in sorted(folder.glob(f'*{suffix}')):
            match = _SIDE_FILE.fullmatch(path.stem)
            yield _SIDES[match[1].lower()] if match else None, path


def _csv_rows(root: Path) -> list[tuple[str, str, list]]:
    """``(side, label, possible names of the video)`` of the rows of all official CSV files."""
    rows: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for named, path in _tables(root, '.csv'):
        with open(path, encoding='utf-8-sig', newline='') as file:
            table = csv.DictReader(file)
            columns = set(table.fieldnames or ())
            if not {'label', 'youtube_id', 'time_start', 'time_end'} <= columns:
                if named:
                    raise ValueError(
                        f'{path}: expected the columns label, youtube_id, time_start, '
                        f'time_end, split; it has {", ".join(sorted(columns))}.'
                    )
                continue  # some other table
            for row in table:
                side = _SIDES.get((row.get('split') or named or '').lower())
                if side is None:
                    continue  # the test set has no public labels
                try:
                    span = f'{int(float(row["time_start"])):06d}_{int(float(row["time_end"])):06d}'
                except (TypeError, ValueError):
                    raise ValueError(
                        f'{path}, line {table.line_num}: time_start and time_end must be numbers.'
                    ) from None
                name, label = row['youtube_id'], row['label']
                if (
                    rows.setdefault((side, f'{name}_{span}'), (label, [f'{name}_{span}', name]))[0]
                    != label
                ):
                    raise ValueError(
                        f'{path}, line {table.line_num}: {name}_{span} has two labels.'
                    )
    return [(side, label, names) for (side, _), (label, names) in rows.items()]


def _from_csv(layout: Layout, rows, indices) -> None:
    layout.classes = sorted({label for _, label, _ in rows})
    labels = {name: label for label, name in enumerate(layout.classes)}
    by_name: dict = {}
    for index in set(indices.values()):
        for path in index.paths:
            by_name.setdefault((index.root, os.path.splitext(path.split('/')[-1])[0]), []).append(
                path
            )
    for side, label, names in rows:
        index, listed = indices[side], layout.lists[f'{side}.txt']
        candidates = [path for name in names for path in by_name.get((index.root, name), ())]
        if candidates:
            # the same clip may lie in two folders: the one named after its class is right
            own = [path for path in candidates if _plain(path.split('/')[0]) == _plain(label)]
            index.used.update(candidates)
            listed.entries.append(((own or candidates)[0], labels[label]))
        else:
            listed.missing.append(f'{names[0]}.mp4 ({label})')


def _plain(name: str) -> str:
    """A class name without what copies change in it: case, spaces, brackets, apostrophes."""
    return re.sub(r'[\W_]+', '', name.lower())


def _list_files(root: Path) -> dict:
    return {side: path for side, path in _tables(root, '_list_videos.txt') if side}


def _from_lists(layout: Layout, lists: dict, indices) -> None:
    names: dict = {}
    for side in ('train', 'val'):
        if side not in lists:
            raise FileNotFoundError(
                f'{next(iter(lists.values())).parent} lacks the list of the '
                f'{side} videos (kinetics400_{side}_list_videos.txt).'
            )
        for number, line in read_lines(lists[side]):
            match = re.fullmatch(r'(\S.*?)\s+(\d+)', line)
            if not match:
                raise ValueError(f'{lists[side]}, line {number}: {line!r} is not "video label".')
            path, label = indices[side].find(match[1]), int(match[2])
            listed = layout.lists[f'{side}.txt']
            if path is None:
                listed.missing.append(match[1])
            else:
                listed.entries.append((path, label))
            if '/' in match[1]:
                folder = match[1].split('/')[-2]
                if names.setdefault(label, folder) != folder:
                    raise ValueError(
                        f'{lists[side]}, line {number}: label {label} stands for '
                        f'{names[label]!r} and {folder!r}.'
                    )
    if sorted(names) == list(range(len(names))) and names:
        layout.classes = [names[label] for label in range(len(names))]
    else:
        layout.notices.append('The lists do not tell the names of all classes: no classes.txt.')


def _from_folders(layout: Layout, indices) -> None:
    flat = [
        f'{index.root}/{path}'
        for index in indices.values()
        for path in index.paths
        if '/' not in path
    ]
    if flat:
        raise FileNotFoundError(
            f'{len(flat)} videos such as {flat[0]} lie in no class folder: '
            'give the official train.csv and val.csv with --annotations.'
        )
    folders: dict = {}
    for index in indices.values():
        for name in sorted({path.split('/')[0] for path in index.paths}):
            if folders.setdefault(_plain(name), name) != name:
                layout.notices.append(
                    f'Class folders {folders[_plain(name)]!r} and {name!r} are taken for one class.'
                )
    layout.classes = sorted(folders.values())
    labels = {_plain(name): label for label, name in enumerate(layout.classes)}
    for side, index in indices.items():
        layout.lists[f'{side}.txt'].entries = [
            (index.find(path), labels[_plain(path.split('/')[0])]) for path in index.paths
        ]
    layout.notices.append(
        'There are no annotation files: classes are the folders, and videos that '
        'are missing cannot be named (--annotations gives the official CSV).'
    )
