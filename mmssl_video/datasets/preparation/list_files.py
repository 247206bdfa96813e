"""Reading lists as datasets ship them, writing lists as :class:`VideoListDataset` reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mmssl_video.atomic_files import write_atomic


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
    except UnicodeDecodeError:
        raise ValueError(f'{str(path)!r} is not UTF-8 text; save it as UTF-8.') from None
    # not splitlines(), which also splits at characters that may stand in a file name
    return [
        (number, line.strip()) for number, line in enumerate(text.split('\n'), 1) if line.strip()
    ]


def list_line(path: str, label: int | float) -> str:
    """One line of a list: ``relative/path LABEL``; a float (seconds) is written to 1 ms."""
    if '\n' in path or '\r' in path or path != path.strip():
        raise ValueError(
            f'{path!r} cannot stand in a list file (line break, or space at an end of '
            'the path): rename it.'
        )
    return f'{path} {label:.3f}\n' if isinstance(label, float) else f'{path} {label}\n'


def write_text(path: Path, lines: Iterable[str]) -> None:
    """Write lines that carry their ends, as a file that is whole or not there."""
    write_atomic(''.join(lines).encode('utf-8'), path)
