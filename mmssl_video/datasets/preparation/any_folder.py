"""A folder of a user's own: ``DIR/<class>/…``, or ``DIR/{train,val,test}/<class>/…``."""

from __future__ import annotations

from pathlib import Path

from mmssl_video.datasets.video_folder import (
    class_folder_hint,
    left_out_notice,
    scan_for_lists,
    split_entries,
)

from .layout import Layout, ListFile

_SIDES = ('train', 'val', 'valid', 'validation', 'test')


def read_folder(src: Path, test_share: float = 0.25, seed: int = 0) -> Layout:
    """Read a folder of videos.

    Args:
        src: The folder.
        test_share: Share of each class for ``test.txt``, where the folder has no split of its own.
        seed: Of that split.

    Returns:
        ``train.txt``, ``test.txt`` and ``all.txt`` as :func:`write_lists` writes them; or, when all
        videos lie in folders such as ``train`` and ``test``, one list for each of these. Without
        class folders everything is unlabelled (-1).

    Raises:
        FileNotFoundError: There are no videos.
    """
    entries, classes, num_other, left_out = scan_for_lists(src)
    layout = Layout(dict(videos=Path(src)), {})
    if 'train' in classes and set(classes) <= set(_SIDES):
        names = sorted({path.split('/')[1] for path, _ in entries if path.count('/') > 1})
        flat = any(path.count('/') < 2 for path, _ in entries)
        layout.classes = [] if flat or len(names) < 2 else names
        sides: dict = {f'{side}.txt': [] for side in classes}
        for path, _ in entries:
            side, name = path.split('/')[:2]
            sides[f'{side}.txt'].append(
                (path, layout.classes.index(name) if layout.classes else -1)
            )
    else:
        layout.classes = classes
        train, test = split_entries(entries, test_share, seed)
        sides = {'train.txt': train, 'test.txt': test, 'all.txt': entries}
        hint = class_folder_hint(src, entries)
        if hint:
            layout.notices.append(hint[0].upper() + hint[1:])
    if left_out:
        layout.notices.append(left_out_notice(left_out))
    if not layout.classes:
        layout.notices.append('The folders tell no classes apart: all videos are unlabelled (-1).')
    layout.lists = {name: ListFile('videos', part) for name, part in sides.items()}
    if num_other:
        layout.notices.append(f'{num_other} files are no videos by their suffix.')
    layout.found = dict(
        classes=len(layout.classes),
        videos=len(entries),
        **{name: len(part) for name, part in sides.items()},
    )
    return layout
