"""Which paths of videos can stand in a list, and which of a list may be written to."""

from __future__ import annotations

import os
from collections.abc import Iterable


def can_be_listed(path: str) -> bool:
    """Whether a line of UTF-8 text can hold a path and give it back."""
    try:
        path.encode()
    except UnicodeEncodeError:  # bytes of another encoding, which Python keeps as surrogates
        return False
    return '\n' not in path and '\r' not in path and path == path.strip()


def shown(paths: Iterable[str], limit: int = 3) -> str:
    """The first of some paths that cannot be printed as they are, and how many follow."""
    paths = list(paths)
    more = f' and {len(paths) - limit} more' if len(paths) > limit else ''
    return ', '.join(map(ascii, paths[:limit])) + more


def check_below(path: str, where: str, folder: str) -> None:
    """See that a file named after a listed path lies in the folder that is written.

    Args:
        path: Of a video, as its list has it.
        where: How the message names the list and the line.
        folder: How it names what is written.

    Raises:
        ValueError: It would lie elsewhere.
    """
    parts = path.replace(os.sep, '/').split('/')
    if os.path.isabs(path) or os.pardir in parts or '\0' in path:
        raise ValueError(
            f'{where}: {path!r} leads out of {folder}: paths must lie below the folder of the '
            f'videos, without {os.pardir!r}'
        )
