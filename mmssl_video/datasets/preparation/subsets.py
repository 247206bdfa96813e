"""Low-label lists: stratified, nested parts of a list of labelled videos."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from .list_files import read_lines, write_text


def share_of(count: int, percent) -> int:
    """How many of a class's ``count`` videos ``percent`` keeps: rounded half up, at least one."""
    return max(1, int(Fraction(str(percent)) * count / 100 + Fraction(1, 2)))


def make_subsets(list_file, percents: Sequence = (10, 20, 50), seed: int = 0) -> list[dict]:
    """Write ``<stem>_<percent>percent_seed<seed>.txt`` beside a list, for every percentage.

    Each class's videos, sorted by path, are shuffled once by (seed, label); a subset keeps the
    first of them, as many as :func:`share_of` says. So smaller subsets lie within larger ones, no
    class is ever empty, and a class's part does not depend on the other classes. Lines keep the
    order of the full list.

    Args:
        list_file: List with lines ``path LABEL``.
        percents: In (0, 100].
        seed: Of the shuffles.

    Returns:
        One dict per percentage: ``file``, ``percent``, ``videos``, ``classes``, ``smallest`` and
        ``largest`` (videos per class).

    Raises:
        FileNotFoundError: There is no such list.
        ValueError: A line has no class label, a video occurs twice, a percentage is out of range.
    """
    path = Path(list_file)
    for percent in percents:
        if not 0 < Fraction(str(percent)) <= 100:
            raise ValueError(f'a percentage lies above 0 and is at most 100, got {percent}')
    lines, seen = read_lines(path), set()
    by_label: dict[int, list[tuple[str, int]]] = {}
    for number, line in lines:
        video, _, label = line.replace('\t', ' ').rpartition(' ')
        if not video or not label.isdigit():
            raise ValueError(
                f'{path}, line {number}: {line!r} has no class label (a whole number '
                'of at least 0): subsets are stratified by class.'
            )
        if video in seen:
            raise ValueError(f'{path}, line {number}: {video!r} is named twice.')
        seen.add(video)
        by_label.setdefault(int(label), []).append((video, number))
    if not lines:
        raise ValueError(f'{path} names no videos.')
    for class_label, videos in by_label.items():
        videos.sort()
        random.Random(f'{seed}/{class_label}').shuffle(videos)
    made = []
    for percent in percents:
        kept = {
            label: videos[: share_of(len(videos), percent)] for label, videos in by_label.items()
        }
        numbers = {number for videos in kept.values() for _, number in videos}
        file = path.with_name(f'{path.stem}_{percent:g}percent_seed{seed}.txt')
        write_text(file, [f'{line}\n' for number, line in lines if number in numbers])
        sizes = [len(videos) for videos in kept.values()]
        made.append(
            dict(
                file=str(file),
                percent=percent,
                videos=sum(sizes),
                classes=len(sizes),
                smallest=min(sizes),
                largest=max(sizes),
            )
        )
    return made
