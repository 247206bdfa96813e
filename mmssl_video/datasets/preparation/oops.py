"""Oops! as it is distributed: ``oops_video/{train,val}/*.mp4`` and ``annotations/``."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

from .layout import Layout, ListFile, missing_message
from .list_files import read_lines
from .source import VideoIndex, annotation_roots, find_folder, subfolders

NO_LABEL = 'no annotator labelled it (not in transition_times.json)'
NO_FAILURE = 'no agreed failure (at least half of its annotators saw none)'


def failure_time(entry: dict) -> float | None:
    """Seconds at which the failure begins, or ``None`` without an agreed one.

    Three annotators each gave a time, or -1 for "no failure" (Epstein et al. 2020, section 3). A
    failure is agreed when more than half of them gave a time; its time is the median of the times
    given. (The released code takes the middle of the three sorted values with -1 among them: the
    same decision, but with two valid times it takes the earlier one, not their mean.)

    Args:
        entry: One value of ``transition_times.json``; ``entry['t']`` is the list of times.
    """
    valid = [float(time) for time in entry['t'] if time >= 0]
    return float(median(valid)) if 2 * len(valid) > len(entry['t']) else None


def read_oops(src: Path, annotations=None, unfiltered: bool = False) -> Layout:
    """Read videos with an agreed failure, and all training videos for self-supervised pre-training.

    Args:
        src: Folder that holds ``oops_video`` (or is it).
        annotations: The folder ``annotations``; by default looked for in ``src`` and beside it.
        unfiltered: Use ``train.txt`` and ``val.txt`` instead of ``train_filtered.txt`` and
            ``val_filtered.txt``, which pass the authors' quality control.

    Returns:
        ``train.txt`` and ``val.txt`` with failure times in seconds, ``pretrain.txt`` with every
        training video, unlabelled (-1).

    Raises:
        FileNotFoundError: Annotations or videos are not found.
        ValueError: They cannot be understood.
    """
    roots = annotation_roots(src, annotations)
    lists = find_folder(roots, lambda folder: (folder / 'transition_times.json').is_file())
    if lists is None:
        raise FileNotFoundError(
            missing_message(
                'failure times',
                roots[0],
                'annotations/transition_times.json (or give its folder with --annotations)',
            )
        )
    root = find_folder([src], lambda folder: {'train', 'val'} <= set(subfolders(folder)))
    if root is None:
        raise FileNotFoundError(
            missing_message('videos', src, 'oops_video/train/*.mp4 and oops_video/val/*.mp4')
        )
    times = _times(lists / 'transition_times.json')
    index = VideoIndex(root)
    layout = Layout(dict(videos=root), {}, may_miss=True)
    layout.left_out = {NO_FAILURE: [], NO_LABEL: []}
    everything = ListFile('videos', [])
    for split, full in (('train', 'training videos'), ('val', 'validation videos')):
        names = lists / (f'{split}.txt' if unfiltered else f'{split}_filtered.txt')
        listed, present = ListFile('videos', []), 0
        for _, line in read_lines(names):
            name = line[:-4] if line.lower().endswith('.mp4') else line
            path = index.find(f'{split}/{name}.mp4')
            if path is None:
                listed.missing.append(f'{split}/{name}.mp4')
                continue
            present += 1
            if split == 'train':
                everything.entries.append((path, -1))
            time = failure_time(times[name]) if name in times else None
            if time is not None:
                listed.entries.append((path, time))
            else:
                layout.left_out[NO_FAILURE if name in times else NO_LABEL].append(path)
        listed.named = present + len(listed.missing)
        layout.lists[f'{split}.txt'] = listed
        layout.found[full] = present
        layout.found[f'{full} with an agreed failure'] = len(listed.entries)
    layout.lists['pretrain.txt'] = everything
    layout.unlisted, layout.respelled = index.unlisted(), index.respelled
    if unfiltered:
        layout.notices.append(
            '--unfiltered: videos that fail the quality control of the authors '
            'are listed too; the official figures count only those that pass.'
        )
    return layout


def _times(path: Path) -> dict:
    try:
        times = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is not readable as JSON: {error}') from None
    for name, entry in times.items() if isinstance(times, dict) else [('', None)]:
        values = entry.get('t') if isinstance(entry, dict) else None
        if (
            not isinstance(values, list)
            or not values
            or not all(isinstance(value, (int, float)) for value in values)
        ):
            raise ValueError(
                f'{path}: {name!r} has no list of times "t"; the file must map each '
                'video to {"t": [seconds, …], …}.'
            )
    return times
