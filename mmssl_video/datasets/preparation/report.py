"""The report of a preparation: ``report.json`` with everything, ``report.txt`` to read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from mmssl_video.atomic_files import write_atomic

DRIFT = 0.25  # seconds; frame times in AVI files are off by a few frames without meaning it


def video_report(checked, times: dict) -> dict:
    """Figures of the videos, and those that need a remark.

    Args:
        checked: :class:`~.videos.Checked`.
        times: Video -> seconds of its label, where labels are times.
    """
    good = list(checked.good.values())
    report: dict = dict(
        checked=len(good) + len(checked.bad),
        known_before=checked.known,
        bad=[dict(video='/'.join(video), reason=reason) for video, reason in checked.bad.items()],
    )
    if good:
        for what in ('frames', 'fps', 'height', 'width'):
            values = [info[what] for info in good]
            report[what] = dict(min=min(values), median=median(values), max=max(values))
        report['variable_frame_rate'] = [
            '/'.join(video) for video, info in checked.good.items() if info.get('drift', 0) > DRIFT
        ]
        report['time_outside'] = [
            '/'.join(video)
            for video, time in times.items()
            if video in checked.good
            and checked.good[video]['fps']
            and not 0 <= time * checked.good[video]['fps'] < checked.good[video]['frames']
        ]
    return report


def write_report(report: dict, out: Path) -> str:
    """Write both files; returns the readable text without its long lists of names."""
    write_atomic(
        # names of files may hold any bytes; the escapes are those of JSON
        (json.dumps(report, indent=1, ensure_ascii=False) + '\n').encode(errors='backslashreplace'),
        out / 'report.json',
    )
    write_atomic(_text(report, None).encode(errors='backslashreplace'), out / 'report.txt')
    return _text(report, 5)


def _text(report: dict, shown: int | None) -> str:
    lines = [
        f'{report["dataset"]} from {report["source"]} in {report["out"]}',
        '',
        f'{"":60}{"found":>9}{"official":>10}',
    ]
    for row in report['counts']:
        official = '' if row['official'] is None else f'{row["official"]:,}'
        mark = (
            ''
            if row['official'] in (None, row['found'])
            else f'  ({row["found"] - row["official"]:+,})'
        )
        lines.append(f'{row["what"]:60}{row["found"]:>9,}{official:>10}{mark}')
    lines += [f'- {sentence}' for sentence in report['notices']]

    def name(title: str, names: Iterable[str]) -> None:
        names = list(names)
        if names:
            lines.append(f'{len(names):,} {title}:')
            lines.extend(f'    {each}' for each in names[:shown])
            if shown is not None and len(names) > shown:
                lines.append(f'    … and {len(names) - shown:,} more, see report.txt')

    name(
        'videos that the official lists name are missing (left out of the lists)', report['missing']
    )
    name('videos are there that no official list names (not used)', report['unlisted'])
    for reason, names in report['left_out'].items():
        name(f'videos left out, {reason}', names)
    videos = report.get('videos')
    if videos is None:
        return '\n'.join([*lines, '']) + '\n'
    if not videos['checked']:
        lines.append('The videos were not verified.')
    else:
        copies = f', copied with short side {report["resize"]}' if report['resize'] else ''
        lines.append(
            f'{videos["checked"]:,} videos verified{copies}; {videos["known_before"]:,} '
            f'of them known from an earlier run; {len(videos["bad"]):,} bad.'
        )
        lines += [
            f'    {what}: {span["min"]:g} to {span["max"]:g}, median {span["median"]:g}'
            for what in ('frames', 'fps', 'height', 'width')
            if what in videos  # where one at least is sound
            for span in [videos[what]]
        ]
        dropped = 'left out of the lists' if report['bad_dropped'] else 'still in the lists'
        name(
            f'bad videos ({dropped})', (f'{bad["video"]}: {bad["reason"]}' for bad in videos['bad'])
        )
        name(
            f'videos whose frame rate varies, so that times in the copy are off by more than '
            f'{DRIFT:g} s (the copy has the average rate)',
            videos.get('variable_frame_rate', []),
        )
        name('videos whose labelled time lies outside of the video', videos.get('time_outside', []))
    lines += [f'{file}: {count:,} lines' for file, count in report['lists'].items()]
    return '\n'.join(lines) + '\n'
