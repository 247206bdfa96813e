"""The folder that a preparation writes into: whose it is, and what is done there already."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmssl_video.atomic_files import write_atomic

MARK = 'prepare.json'
JOURNAL = 'checked.jsonl'
LOCK = '.prepare.lock'


@contextmanager
def one_at_a_time(out: Path) -> Iterator[None]:
    """Keep a second run out of the folder while the block lasts.

    Raises:
        RuntimeError: Another run is at work there.
    """
    out.mkdir(parents=True, exist_ok=True)
    with open(out / LOCK, 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f'another run of mmssl prepare is at work in {out}.') from None
        yield


def check_output(out: Path, dataset: str, resize: int | None, folders: dict, lists) -> None:
    """Look whether everything may be written, before anything is.

    Args:
        out: The folder.
        dataset: What is prepared.
        resize: Short side of copies; ``None``: links.
        folders: Name below ``out`` -> source folder of videos.
        lists: Names of the files to write.

    Raises:
        FileExistsError: Something is there that is not of an earlier run with the same dataset and
            short side.
        ValueError: ``out`` lies in a source folder.
    """
    if out.exists() and not out.is_dir():
        raise FileExistsError(f'{out} is a file; give a folder to write.')
    mark = json.loads((out / MARK).read_text()) if (out / MARK).exists() else None
    if mark is not None and (mark['dataset'], mark['resize']) != (dataset, resize):
        was = f'{mark["dataset"]} with ' + (
            f'copies of short side {mark["resize"]}' if mark['resize'] else 'links to the source'
        )
        raise FileExistsError(
            f'{out} was prepared as {was}; give another folder, or remove that one.'
        )
    if mark is None:
        foreign = [name for name in lists if (out / name).exists()]
        if foreign:
            raise FileExistsError(
                f'{out / foreign[0]} was not written by mmssl prepare: move it away '
                'or give another folder.'
            )
    for name, source in folders.items():
        source, place = source.resolve(), out / name
        same = place.exists() and place.resolve() == source
        if not same and (source == out.resolve() or source in out.resolve().parents):
            raise ValueError(
                f'{out} lies in the folder of videos {source}: give a folder outside of it.'
            )
        if resize is None:
            if os.path.lexists(place) and not same:
                what = f'a link to {os.readlink(place)}' if place.is_symlink() else 'there already'
                raise FileExistsError(
                    f'{place} is {what}, and should become a link to {source}: '
                    'move it away or give another folder.'
                )
        elif os.path.lexists(place) and (mark is None or place.is_symlink()):
            raise FileExistsError(
                f'{place} is there already and was not made by mmssl prepare with '
                '--resize: move it away or give another folder.'
            )


def claim(out: Path, dataset: str, resize: int | None, folders: dict) -> None:
    """Mark the folder as ours and make the links (or the folders for copies)."""
    write_atomic((json.dumps(dict(dataset=dataset, resize=resize)) + '\n').encode(), out / MARK)
    for name, source in folders.items():
        place = out / name
        if resize is not None:
            place.mkdir(exist_ok=True)
            for folder, _, files in os.walk(place):  # left by a run that was killed
                for file in files:
                    if file.startswith('.') and file.endswith('.partial'):
                        os.unlink(os.path.join(folder, file))
        elif not place.exists():
            place.symlink_to(source.resolve(), target_is_directory=True)


class Journal:
    """What is known of every video, kept in a file that grows by a line per video.

    A record counts as long as the source (and the copy) has the size and the time of change that
    it had; a video that was bad is looked at again.

    Args:
        path: The file; made when missing.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.records = path, {}
        for line in path.read_text(encoding='utf-8').split('\n') if path.exists() else []:
            try:
                record = json.loads(line)
            except ValueError:  # the last line of a run that was killed: that video is done again
                continue
            self.records[record['name']] = record
        self._file = open(path, 'a', encoding='utf-8', errors='backslashreplace')  # noqa: SIM115 (until close())
        self._file.write('\n')  # after a line cut short

    def known(self, name: str, files: list) -> dict | None:
        """Record of a sound video whose files are as they were; else ``None``."""
        record = self.records.get(name)
        if record is None or record.get('reason') or record['files'] != files or None in files:
            return None
        return record

    def add(self, record: dict) -> None:
        """Write a record: ``name``, ``files``, and ``reason`` if bad, else what was found."""
        self.records[record['name']] = record
        self._file.write(json.dumps(record, ensure_ascii=False) + '\n')
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def stamp(path) -> list | None:
    """Size and time of change of a file; ``None`` when it is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
