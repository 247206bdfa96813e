"""What a dataset's folder turned out to hold, whichever dataset it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class ListFile:
    """One list to write.

    Attributes:
        folder: Name of the folder below OUT that its paths are relative to.
        entries: ``(path relative to the source folder, label)``; an int label is a class (-1:
            unlabelled), a float a time in seconds.
        missing: Videos that the official list names and the source does not hold.
        named: How many videos the official list names; ``None`` when there is no such list.
    """

    folder: str
    entries: list
    missing: list = field(default_factory=list)
    named: int | None = None


@dataclass
class Layout:
    """Result of reading one dataset's own folders and lists.

    Attributes:
        folders: Name below OUT (``videos``) -> source folder of videos.
        lists: File name below OUT -> list.
        classes: Class names by label; empty where the labels are no classes.
        found: What is counted -> number, to be held against the official figures.
        unlisted: Videos in the source folders that no official list names.
        left_out: Reason -> videos that the official lists name but ours do not.
        respelled: Videos found under a name that differs in case or suffix from the listed one.
        notices: Sentences for the report.
        may_miss: Whether missing videos are usual (gone from the web) up to a share.
    """

    folders: dict
    lists: dict
    classes: list = field(default_factory=list)
    found: dict = field(default_factory=dict)
    unlisted: list = field(default_factory=list)
    left_out: dict = field(default_factory=dict)
    respelled: int = 0
    notices: list = field(default_factory=list)
    may_miss: bool = False

    def check_splits(self) -> None:
        """Look for a video twice in one list, or on both sides of a split.

        Raises:
            ValueError: There is one.
        """
        for name, listed in self.lists.items():
            seen = set()
            for path, _ in listed.entries:
                if path in seen:
                    raise ValueError(f'the list for {name} names {path!r} twice.')
                seen.add(path)
        for name, listed in self.lists.items():
            for other in (
                [name.replace('train', side) for side in ('test', 'val')]
                if name.startswith('train')
                else []
            ):
                test = self.lists.get(other)
                if test is None or self.folders[test.folder] != self.folders[listed.folder]:
                    continue
                both = sorted(
                    {path for path, _ in listed.entries} & {path for path, _ in test.entries}
                )
                if both:
                    raise ValueError(
                        f'{len(both)} videos are in both {name} and {other}, such as '
                        f'{both[0]!r}: the annotations are damaged.'
                    )


def missing_message(what: str, looked_in, expected: str) -> str:
    """Sentence for folders or files of a dataset that were not found."""
    folder = Path(looked_in)
    archives = (
        sorted(
            path.name
            for path in folder.iterdir()
            if path.suffix.lower() in ('.rar', '.zip', '.tar', '.gz', '.tgz')
        )
        if folder.is_dir()
        else []
    )
    packed = f' (still packed: {", ".join(archives[:3])}?)' if archives else ''
    return f'no {what} found in {str(folder)!r}{packed}: expected {expected}.'
