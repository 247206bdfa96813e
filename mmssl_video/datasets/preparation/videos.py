"""Verifying or re-encoding all videos of a dataset, in parallel and resumably."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

import av

from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.list_names import check_below
from mmssl_video.progress import Progress

from .layout import Layout
from .list_files import list_line
from .output import JOURNAL, Journal, stamp
from .parallel import Failure, run_jobs
from .reencoding import reencode
from .verification import verify_video

_FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass
class Checked:
    """What came of the videos; keys are ``(folder below OUT, path in the source)``.

    Attributes:
        names: Path below the folder in OUT (differs from the source's where it is a copy).
        good: Video -> ``dict(frames, fps, height, width)`` (and ``drift`` for copies).
        bad: Video -> why it cannot be used.
        known: How many were known to be sound (or whole copies) from an earlier run.
    """

    names: dict
    good: dict = field(default_factory=dict)
    bad: dict = field(default_factory=dict)
    known: int = 0


def check_videos(
    layout: Layout,
    out: Path,
    resize: int | None,
    verify: bool,
    workers: int,
    timeout: float,
    show: bool,
) -> Checked:
    """Verify every video of the lists, or write a verified copy of it.

    Args:
        layout: The dataset.
        out: Folder to write.
        resize: Short side of the copies; ``None``: no copies.
        verify: Without copies, whether to look at the videos at all.
        workers: Processes.
        timeout: Seconds that one video may take.
        show: Show progress.

    Returns:
        What came of them.

    Raises:
        RuntimeError: Copies cannot be written (disk full, no permission).
        ValueError: A path cannot stand in a list, or leads out of its folder.
    """
    videos = sorted(
        {(listed.folder, path) for listed in layout.lists.values() for path, _ in listed.entries}
    )
    checked = Checked(names=_names(videos, resize is not None))
    if not verify and resize is None:
        return checked
    journal, jobs = Journal(out / JOURNAL), []
    try:
        for video in videos:
            folder, path = video
            source = str(layout.folders[folder] / path)
            target = str(out / folder / checked.names[video]) if resize else None
            known = journal.known(f'{folder}/{path}', _stamps(source, target))
            if known is None:
                jobs.append((video, source, target, resize))
            else:
                checked.good[video] = known['info']
        progress = Progress('videos', len(jobs), show)
        for number, result in run_jobs(_check, jobs, workers, timeout):
            video, source, target, _ = jobs[number]
            if isinstance(result, Failure):
                result = dict(reason=result.reason)
            if 'reason' in result:
                checked.bad[video] = result['reason']
            else:
                checked.good[video] = result['info']
            journal.add(dict(name='/'.join(video), files=_stamps(source, target), **result))
            progress.step(bad='reason' in result)
        checked.known = len(videos) - len(jobs)
    finally:
        journal.close()
    checked.bad = dict(sorted(checked.bad.items()))
    return checked


def _names(videos, copies: bool) -> dict:
    """Video -> its path below the folder in OUT; no two copies in a folder share a name."""
    names, taken = {}, set()
    for folder, path in videos:
        list_line(path, 0)  # hours later it would be too late
        check_below(path, f'the list of {folder}', 'the folder that is written')
        name = os.path.splitext(path)[0] + '.mp4' if copies else path
        while (folder, name) in taken:
            name += '.mp4'  # a.avi and a.mp4 become a.mp4 and a.mp4.mp4
        taken.add((folder, name))
        names[folder, path] = name
    return names


def _stamps(source: str, target: str | None) -> list:
    return [stamp(source)] + ([stamp(target)] if target else [])


def _check(job) -> dict:
    """One video in a worker process: ``dict(info)`` or ``dict(reason)``, see :class:`Checked`."""
    _, source, target, resize = job
    av.logging.set_level(av.logging.PANIC)  # FFmpeg's remarks name no file
    try:
        if target is None:
            return dict(info=verify_video(source))
        return dict(info=reencode(source, target, resize))
    except BadVideoError as error:
        return dict(reason=error.reason or str(error))
    except Exception as error:
        # of the disk, not of the video
        if target and isinstance(error, (OSError, av.FFmpegError)) and error.errno in _FATAL:
            raise RuntimeError(f'{target} cannot be written: {os.strerror(error.errno)}') from error
        return dict(reason=f'cannot be worked on ({type(error).__name__}: {error})')
