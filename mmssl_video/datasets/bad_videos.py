"""The record of videos that could not be used, shared by a dataset's worker processes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterable
from typing import NamedTuple

from mmssl_video.datasets.errors import printable


class BadVideo(NamedTuple):
    """One entry: ``kind`` is ``'bad'`` (cannot be used) or ``'short'`` (left out by choice)."""

    epoch: int
    path: str
    reason: str
    kind: str


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked worker that ends must not take the main process's record
        shutil.rmtree(folder, ignore_errors=True)


class BadVideoRecord:
    """A file in a temporary folder to which all worker processes append one line per bad video.

    A file works with forked and spawned, persistent and short-lived workers alike, and survives a
    worker's death. Appending one short line is a single write, so lines of several processes do not
    mix. The folder is removed with the record of the process that made it.
    """

    def __init__(self) -> None:
        # made with the first entry: most runs have none, and a killed one would leave it behind
        folder = os.path.join(tempfile.gettempdir(), f'mmssl_video_bad_{uuid.uuid4().hex}')
        self.file = os.path.join(folder, 'bad_videos.jsonl')
        self._written = set()
        weakref.finalize(self, _remove, folder, os.getpid())

    def __deepcopy__(self, memo) -> BadVideoRecord:
        return self  # a copied or sub-set dataset reports into the same record

    def add(self, entry: BadVideo) -> bool:
        """Append an entry; returns whether it is new to this process."""
        if entry in self._written:
            return False
        self._written.add(entry)
        line = (json.dumps(entry) + '\n').encode()
        os.makedirs(os.path.dirname(self.file), mode=0o700, exist_ok=True)
        handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)
        return True

    def read(self) -> list[BadVideo]:
        """All entries of all processes, without repeats, in the order of their first writing."""
        if not os.path.exists(self.file):
            return []
        with open(self.file, encoding='utf-8') as lines:
            entries = [BadVideo(*json.loads(line)) for line in lines]
        return list(dict.fromkeys(entries))


def by_path(entries: Iterable[BadVideo], kind: str) -> dict[str, str]:
    """Path, as it can be shown, -> reason of the entries of one kind, each file once."""
    return {printable(entry.path): entry.reason for entry in entries if entry.kind == kind}


def too_many_message(
    bad: dict, num_videos: int, max_bad_share: float, ann_file: str, shown: int = 10
) -> str:
    """The sentence with which a run stops when too many videos are bad."""
    named = '; '.join(f'{path}: {reason}' for path, reason in list(bad.items())[:shown])
    more = f'; and {len(bad) - shown} more' if len(bad) > shown else ''
    return (
        f'{len(bad)} of the {num_videos} videos in {ann_file} cannot be used '
        f'({len(bad) / num_videos:.1%}, max_bad_share={max_bad_share:g} allows '
        f'{max_bad_share:.1%}): {named}{more}. Repair them, take them out of the list, or '
        'raise max_bad_share.'
    )
