"""From the folder of a downloaded dataset to videos, lists and a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .any_folder import read_folder
from .hmdb51 import read_hmdb51
from .kinetics400 import read_kinetics400
from .layout import Layout
from .list_files import list_line, write_text
from .official import compare
from .oops import read_oops
from .output import check_output, claim, one_at_a_time
from .report import video_report, write_report
from .source import check_folder
from .ucf101 import read_ucf101
from .videos import check_videos

DATASETS: dict[str, Callable[..., Layout]] = {
    'ucf101': read_ucf101,
    'hmdb51': read_hmdb51,
    'kinetics400': read_kinetics400,
    'oops': read_oops,
    'folder': read_folder,
}


def prepare(
    dataset: str,
    src,
    out,
    *,
    resize: int | None = None,
    workers: int = 1,
    allow_incomplete: bool = False,
    drop_bad: bool = False,
    verify: bool = True,
    max_missing: float = 0.1,
    timeout: float = 600,
    show: bool = True,
    **options,
) -> dict:
    """Prepare a dataset. Running it again does only what is not done yet.

    Args:
        dataset: A key of ``DATASETS``.
        src: Folder of the unpacked download.
        out: Folder to write: ``videos`` (a link, or copies), lists, ``classes.txt``, reports.
        resize: Short side in pixels (even) of H.264 copies; ``None`` links to the source.
        workers: Processes.
        allow_incomplete: Go on when UCF101 or HMDB51 do not hold exactly what they should, or more
            than ``max_missing`` of Kinetics or Oops are missing.
        drop_bad: Leave bad videos out of the lists. Otherwise they stay in them, and an error
            follows once everything is written.
        verify: Open every video and decode three of its frames (with ``resize`` always done).
        max_missing: Share of a list's videos that may be missing in Kinetics and Oops.
        timeout: Seconds that one video may take.
        show: Print progress and the report.
        **options: Of the dataset's reader: ``annotations``, ``unfiltered``, ``test_share``,
            ``seed``.

    Returns:
        The report, as in ``report.json``.

    Raises:
        FileNotFoundError, NotADirectoryError, FileExistsError: About ``src`` and ``out``.
        ValueError: Annotations that cannot be understood, a set that is not complete, options that
            make no sense.
        RuntimeError: Bad videos (and not ``drop_bad``), a full disk, another run in ``out``.
    """
    if dataset not in DATASETS:
        raise ValueError(f'{dataset!r} is none of {", ".join(DATASETS)}')
    if resize is not None and (resize < 32 or resize % 2):
        raise ValueError(f'the short side must be even and at least 32 pixels, got {resize}')
    src, out = check_folder(src, 'the source folder'), Path(out)
    layout = DATASETS[dataset](src, **options)
    layout.check_splits()
    check_output(out, dataset, resize, layout.folders, [*layout.lists, 'classes.txt'])
    counts = compare(dataset, layout.found)
    report: dict[str, Any] = dict(
        dataset=dataset,
        source=str(src),
        out=str(out),
        resize=resize,
        bad_dropped=drop_bad,
        folders={name: str(path) for name, path in layout.folders.items()},
        counts=counts,
        missing=sorted({path for listed in layout.lists.values() for path in listed.missing}),
        unlisted=layout.unlisted,
        left_out=layout.left_out,
        notices=list(layout.notices),
        lists={},
    )
    if layout.respelled:
        report['notices'].append(
            f'{layout.respelled} videos bear names that differ from the '
            'listed ones in case or suffix.'
        )
    problem = _incomplete(layout, counts, max_missing)
    with one_at_a_time(out):
        if problem and not allow_incomplete:
            write_report(report, out)
            raise ValueError(
                f'{problem} Everything is named in {out / "report.txt"}; mend the '
                'source, or go on with --allow-incomplete.'
            )
        empty = [name for name, listed in layout.lists.items() if not listed.entries]
        if empty and dataset == 'folder':  # its classes are too small to be split
            report['notices'].append(f'No video is left for {", ".join(empty)}.')
        elif empty:
            write_report(report, out)
            raise ValueError(f'no video is left for {", ".join(empty)}: see {out / "report.txt"}.')
        claim(out, dataset, resize, layout.folders)
        checked = check_videos(layout, out, resize, verify, workers, timeout, show)
        times = {
            (listed.folder, path): label
            for listed in layout.lists.values()
            for path, label in listed.entries
            if isinstance(label, float)
        }
        report['videos'] = video_report(checked, times)
        for name, listed in layout.lists.items():
            lines = [
                list_line(checked.names[listed.folder, path], label)
                for path, label in listed.entries
                if not (drop_bad and (listed.folder, path) in checked.bad)
            ]
            write_text(out / name, lines)
            report['lists'][name] = len(lines)
        if layout.classes:
            write_text(out / 'classes.txt', [f'{name}\n' for name in layout.classes])
        text = write_report(report, out)
    if show:
        print(text, end='', flush=True)
    if checked.bad and not drop_bad:
        raise RuntimeError(
            f'{len(checked.bad)} of {report["videos"]["checked"]} videos are bad and still in the '
            f'lists, such as {report["videos"]["bad"][0]["video"]} '
            f'({report["videos"]["bad"][0]["reason"]}); all are named in {out / "report.txt"}. '
            'Mend them and run this again, or leave them out with --drop-bad.'
        )
    return report


def _incomplete(layout: Layout, counts: list, max_missing: float) -> str:
    """Sentence about what is not as it should be, or ``''``."""
    if not layout.may_miss:
        wrong = [
            f'{row["what"]}: {row["found"]} instead of {row["official"]}'
            for row in counts
            if row['official'] not in (None, row['found'])
        ]
        missing = sorted({path for listed in layout.lists.values() for path in listed.missing})
        if missing:
            wrong.append(f'{len(missing)} listed videos are missing, such as {missing[0]}')
        return f'The set is not complete ({"; ".join(wrong)}).' if wrong else ''
    official = {row['what']: row['official'] for row in counts}
    for name, listed in layout.lists.items():
        named, absent = listed.named, len(listed.missing)
        if named is None:
            named = official.get(name) or len(listed.entries)
            absent = max(named - len(listed.entries), 0)
        if absent > max_missing * named:
            return (
                f'{absent} of the {named} videos for {name} are missing, more than '
                f'--max-missing {max_missing:g} allows.'
            )
    return ''
