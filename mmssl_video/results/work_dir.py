"""Whether there is a place for what a long work will leave."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def check_work_dir(
    work_dir: str | os.PathLike, what: str = 'the work dir', option: str = '--work-dir'
) -> None:
    """Make a folder and write into it.

    Args:
        work_dir: The folder.
        what: How the message names it.
        option: What gives another one.

    Raises:
        OSError: That is not possible; the message says what stands in the way.
    """
    folder = Path(work_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix='.write_test_'):
            pass
    except OSError as error:
        raise type(error)(
            f'{what} {str(work_dir)!r} cannot be written to '
            f'({error.strerror}); give another one with {option}'
        ) from None


def check_picture(path: str | os.PathLike, option: str = '--out') -> None:
    """See whether a picture can be written.

    Raises:
        ValueError: The file is no .png file.
        OSError: Its folder cannot be written to.
    """
    if Path(path).suffix.lower() != '.png' or Path(path).is_dir():
        raise ValueError(f'{option} {path} must name a .png file')
    check_work_dir(Path(path).parent, 'the folder', option)
