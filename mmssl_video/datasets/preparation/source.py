"""Finding the parts of a dataset in the folder that a user names, however it was unpacked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmssl_video.datasets.video_folder import VIDEO_SUFFIXES


def check_folder(path, what: str) -> Path:
    """The folder as a path.

    Raises:
        FileNotFoundError: It is not there.
        NotADirectoryError: It is a file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f'{what} {str(path)!r} is not there.')
    if not path.is_dir():
        raise NotADirectoryError(
            f'{what} {str(path)!r} is a file (an archive must be unpacked); give a folder.'
        )
    return path


def folders_below(root: Path, depth: int) -> Iterator[Path]:
    """``root`` and the folders below it, nearest first, hidden ones left out.

    Args:
        root: A folder.
        depth: How many levels below ``root`` to go.
    """
    level = [Path(root)]
    for step in range(depth + 1):
        yield from level
        if step < depth:
            level = [folder / name for folder in level for name in subfolders(folder)]


def subfolders(folder: Path) -> list[str]:
    """Names of the folders directly in a folder, sorted, hidden ones left out."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name for entry in entries if not entry.name.startswith('.') and entry.is_dir()
        )


def find_folder(roots: Sequence[Path], holds, depth: int = 2) -> Path | None:
    """The nearest folder below one of ``roots`` for which ``holds(folder)`` is true."""
    for root in roots:
        for folder in folders_below(root, depth):
            if holds(folder):
                return folder
    return None


def annotation_roots(src: Path, annotations) -> list[Path]:
    """Where to look for annotations: the folder given, else the source, then its parent."""
    if annotations is not None:
        return [check_folder(annotations, 'the annotations folder')]
    return [src, Path(os.path.abspath(src)).parent]


def find_class_root(src: Path, classes: Sequence[str], depth: int = 2) -> Path | None:
    """The folder whose subfolders bear the most of the class names; ``None`` when none does."""
    wanted = {name.lower() for name in classes}
    best, most = None, 0
    for folder in folders_below(src, depth):
        count = sum(name.lower() in wanted for name in subfolders(folder))
        if count > most:
            best, most = folder, count
    return best


class VideoIndex:
    """The videos below a folder, to be found by the names that official lists give them.

    A listed name matches the file of the same path; else the one file whose path differs only in
    case or suffix (``v_HandStandPushups`` is spelled in two ways in copies of UCF101, and copies
    re-encoded by others end in ``.mp4``).

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.paths: list[str] = []
        self.used: set[str] = set()
        self.respelled = 0
        visited = set()
        for folder, names, files in os.walk(root, followlinks=True):
            real = os.path.realpath(folder)
            if real in visited:  # a link back to a folder above would never end
                names.clear()
                continue
            visited.add(real)
            names[:] = sorted(name for name in names if not name.startswith('.'))
            prefix = Path(folder).relative_to(root).as_posix()
            self.paths += [
                name if prefix == '.' else f'{prefix}/{name}'
                for name in files
                if os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES and not name.startswith('.')
            ]
        self.paths.sort()
        self._exact = set(self.paths)
        self._loose: dict = {}
        for path in self.paths:
            self._loose.setdefault(os.path.splitext(path)[0].lower(), []).append(path)

    def find(self, listed: str) -> str | None:
        """Path of a listed video relative to the root; ``None`` when it is missing.

        Raises:
            ValueError: Several files could be meant.
        """
        if listed in self._exact:
            self.used.add(listed)
            return listed
        stem, suffix = os.path.splitext(listed)
        if suffix.lower() not in VIDEO_SUFFIXES:
            stem = listed  # the name has no suffix, but may hold a dot
        candidates = self._loose.get(stem.lower(), [])
        if len(candidates) > 1:
            raise ValueError(
                f'{listed!r} could be any of {", ".join(candidates)} in {str(self.root)!r}:'
                ' keep one of them.'
            )
        if candidates:
            self.respelled += candidates[0] not in self.used
            self.used.add(candidates[0])
            return candidates[0]
        return None

    def unlisted(self) -> list[str]:
        """Videos that were never asked for."""
        return [path for path in self.paths if path not in self.used]
