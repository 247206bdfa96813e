"""List files for a folder of videos that has none."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

from mmssl_video.atomic_files import write_atomic
from mmssl_video.datasets.list_names import can_be_listed, shown

VIDEO_SUFFIXES = frozenset(
    (
        '.mp4',
        '.m4v',
        '.mov',
        '.avi',
        '.mkv',
        '.webm',
        '.mpg',
        '.mpeg',
        '.mpe',
        '.m2v',
        '.ts',
        '.mts',
        '.m2ts',
        '.wmv',
        '.asf',
        '.flv',
        '.f4v',
        '.3gp',
        '.3g2',
        '.ogv',
        '.vob',
        '.divx',
    )
)


def scan_video_folder(root) -> tuple[list, list, int]:
    """Find the videos below a folder and their classes.

    The class of a video is the *first* folder below ``root`` on its path, whatever lies deeper:
    ``root/jump/day1/a.mp4`` is a ``jump``. When videos lie in ``root`` itself, or there is only one
    folder, the folder tells no classes apart: everything is unlabelled (-1) and ``classes`` is
    empty. Hidden files and folders are passed over.

    Args:
        root: The folder.

    Names are as Python gives them: bytes that are no UTF-8 become surrogates, with which files are
    found but no text is written. :func:`scan_for_lists` leaves such files out.

    Returns:
        (entries, classes, num_other): entries are ``(path relative to root with '/', label)``,
        sorted by path; classes are the sorted names, label = position; ``num_other`` counts the
        files that are no videos by their suffix (``VIDEO_SUFFIXES``).

    Raises:
        FileNotFoundError: ``root`` is not there or holds no videos.
        NotADirectoryError: ``root`` is a file.
    """
    paths, num_other = _videos_below(root)
    return (*_labelled(paths), num_other)


def scan_for_lists(root) -> tuple[list, list, int, list[str]]:
    """As :func:`scan_video_folder`, without videos whose names cannot stand in a list file.

    Returns:
        (entries, classes, num_other, left_out): the last are paths with a line break, bytes that
        are no UTF-8, or a space at an end.

    Raises:
        FileNotFoundError, NotADirectoryError: See there; also where no other videos are left.
    """
    paths, num_other = _videos_below(root)
    left_out = [path for path in paths if not can_be_listed(path)]
    paths = [path for path in paths if can_be_listed(path)]
    if not paths:
        raise FileNotFoundError(
            f'{str(root)!r} holds no videos whose names can stand in a list file (UTF-8, without '
            f'line breaks and spaces at an end): rename {shown(left_out)}.'
        )
    return (*_labelled(paths), num_other, left_out)


def left_out_notice(left_out: Sequence[str]) -> str:
    """A sentence about what :func:`scan_for_lists` left out; '' for nothing."""
    if not left_out:
        return ''
    return (
        f'{len(left_out)} videos are left out, since their names cannot stand in a list file '
        f'(UTF-8, without line breaks and spaces at an end): {shown(left_out)}; rename them.'
    )


def _videos_below(root) -> tuple[list[str], int]:
    """Paths of all videos, sorted, and the number of other files."""
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f'the folder of videos {str(root)!r} is not there.')
    if not root.is_dir():
        raise NotADirectoryError(f'{str(root)!r} is a file; give the folder that holds the videos.')
    paths, num_other, visited = [], 0, set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:  # a link back to a folder above would never end
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith('.'))
        for name in names:
            if name.startswith('.'):
                continue
            if os.path.splitext(name)[1].lower() not in VIDEO_SUFFIXES:
                num_other += 1
            else:
                paths.append(Path(folder, name).relative_to(root).as_posix())
    if not paths:
        raise FileNotFoundError(
            f'{str(root)!r} holds no videos (files ending in {", ".join(sorted(VIDEO_SUFFIXES))}).'
        )
    return sorted(paths), num_other


def _labelled(paths: list[str]) -> tuple[list, list]:
    """Entries and classes of sorted paths."""
    tops = {path.split('/')[0] for path in paths}
    if len(tops) > 1 and all('/' in path for path in paths):
        classes = sorted(tops)
        return [(path, classes.index(path.split('/')[0])) for path in paths], classes
    return [(path, -1) for path in paths], []


def class_folder_hint(root, entries: Sequence[tuple]) -> str:
    """What to tell a user whose folder seems to be above the one that holds the class folders.

    Args:
        root: The folder that was scanned.
        entries: ``(path relative to root, label)`` as :func:`scan_video_folder` returned them.

    Returns:
        A sentence when all videos lie below one single folder (of a folder …) and there in several
        folders, which look like classes; else ``''``.
    """
    parts = [path.split('/') for path, _ in entries]
    shared = os.path.commonprefix([each[:-1] for each in parts])  # folders that all lie below
    folders = {each[len(shared)] for each in parts if len(each) > len(shared) + 1}
    if not shared or len(folders) < 2 or any(len(each) == len(shared) + 1 for each in parts):
        return ''
    names = sorted(folders)
    more = f' and {len(names) - 3} more' if len(names) > 3 else ''
    return (
        f'all videos of {str(root)!r} lie in one folder, {shared[0]!r}, so they have no '
        f'classes: did you mean {str(Path(root, *shared))!r}, with the classes '
        f'{", ".join(names[:3])}{more}?'
    )


def split_entries(entries: Sequence[tuple], test_share: float = 0.25, seed: int = 0):
    """Split stratified by label: about ``test_share`` of each label's videos become test videos.

    A label with at least 2 videos has at least one on either side; a single video is for training.

    Returns:
        (train, test): two lists of entries, sorted by path.
    """
    if not 0 < test_share < 1:
        raise ValueError(f'test_share must lie between 0 and 1, got {test_share!r}')
    train, test = [], []
    for label in sorted({label for _, label in entries}):
        group = sorted(entry for entry in entries if entry[1] == label)
        random.Random(f'{seed}/{label}').shuffle(group)
        count = min(max(round(test_share * len(group)), 1), len(group) - 1)
        test += group[:count]
        train += group[count:]
    return sorted(train), sorted(test)


def write_lists(root, out_dir, test_share: float = 0.25, seed: int = 0) -> dict:
    """Write ``train.txt``, ``test.txt``, ``all.txt`` and ``classes.txt`` for a folder of videos.

    Paths are relative to ``root`` (to be given as ``data_prefix=dict(video=root)``). Without
    classes all labels are -1 and ``classes.txt`` is not written; ``hint`` then says so if a folder
    further down would have given classes.

    Args:
        root: Folder of videos, see :func:`scan_video_folder`.
        out_dir: Folder for the lists (made).
        test_share: Share of each class for ``test.txt``.
        seed: The split depends on it and on the names only.

    Returns:
        dict: ``train``, ``test``, ``all`` (paths of the lists), ``classes`` (names), ``num_train``,
        ``num_test``, ``num_other`` (files passed over because they are no videos), ``hint``
        (:func:`class_folder_hint`, mostly ``''``), ``left_out`` (videos whose names cannot stand in
        a list) and ``notice`` (:func:`left_out_notice`).
    """
    entries, classes, num_other, left_out = scan_for_lists(root)
    train, test = split_entries(entries, test_share, seed)
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, part in (('train', train), ('test', test), ('all', entries)):
        text = ''.join(f'{path} {label}\n' for path, label in part)
        write_atomic(text.encode(), out_dir / f'{name}.txt')
    if classes:
        write_atomic(('\n'.join(classes) + '\n').encode(), out_dir / 'classes.txt')
    return dict(
        train=str(out_dir / 'train.txt'),
        test=str(out_dir / 'test.txt'),
        all=str(out_dir / 'all.txt'),
        classes=classes,
        num_train=len(train),
        num_test=len(test),
        num_other=num_other,
        hint=class_folder_hint(root, entries),
        left_out=left_out,
        notice=left_out_notice(left_out),
    )
