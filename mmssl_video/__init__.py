"""Self-supervised video representation learning on the OpenMMLab video stack."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

from . import compat
from .settings.names import allow_names_in_bases, config_dir, find_config
from .version import __version__

__all__ = ['__version__', 'config_dir', 'find_config', 'register']


def register() -> None:
    """Register every part with mmaction2, after the work-rounds that its import needs.

    ``import mmssl_video`` does it; only the command ``mmssl`` waits until it knows that it is asked
    for more than a help page, since torch and mmaction2 take seconds to import.
    """
    compat.apply()  # before the first mmaction import
    allow_names_in_bases()
    from . import checkpoints, datasets, engine, evaluation, models


def _is_command() -> bool:
    """Whether this process is ``mmssl`` or ``python -m mmssl_video``, which register themselves."""
    if multiprocessing.parent_process() is not None:  # a worker, which works at once
        return False
    called = (getattr(sys, 'argv', None) or [''])[0]
    words = getattr(sys, 'orig_argv', ())  # since Python 3.10
    # While -m looks for its package argv[0] is -m.
    return Path(called).stem == 'mmssl' or (
        called == '-m' and ('-m', 'mmssl_video') in zip(words, words[1:])
    )


if not _is_command():
    register()
