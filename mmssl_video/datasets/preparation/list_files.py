"""Reading lists as datasets ship them, writing lists as :class:`VideoListDataset` reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mmssl_video.atomic_files import write_atomic
from mmssl_video.datasets.list_names import can_be_listed


def read_lines(path) -> list[tuple[int, str]]:
    """Lines of a text file that are not empty, stripped, with their numbers (from 1).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{str(path)!r} is not there.')
    try:
        text = path.read_bytes().decode('utf-8-sig')
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b'\n') + 1
        raise ValueError(
            f'{str(path)!r}, line {line}, is not UTF-8 text; save it as UTF-8.'
        ) from None
    # not splitlines(), which also splits at characters that may stand in a file name
    return [
        (number, line.strip()) for number, line in enumerate(text.split('\n'), 1) if line.strip()
    ]


def list_line(path: str, label: int | float) -> str:
    """One line of a list: ``relative/path LABEL``; a float (seconds) is written to 1 ms."""
    if not can_be_listed(path):
        raise ValueError(
            f'{path!a} cannot stand in a list file (UTF-8, without line breaks and spaces at an '
            'end): rename it.'
        )
    return f'{path} {label:.3f}\n' if isinstance(label, float) else f'{path} {label}\n'


def write_text(path: Path, lines: Iterable[str]) -> None:
    """Write lines that carry their ends, as a file that is whole or not there."""
    write_atomic(''.join(lines).encode('utf-8'), path)
