"""For all command line tools: one sentence for a user's error, a traceback for a fault."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

DEBUG = 'MMSSL_DEBUG'
ERROR_DIR = 'MMSSL_ERROR_DIR'
# Code whose `raise` speaks to the user about settings and files.
_OURS = ('mmssl_video', 'mmengine', 'mmaction', 'tools')


def run(main: Callable[[], None]) -> None:
    """Run a tool and leave with its exit code: 0, or 1 after an error.

    An error that the package raised on purpose (about a file, a setting, the data) ends the output
    with one sentence, ``error: ...``. Any other is a fault: its traceback comes first. The
    environment variable ``MMSSL_DEBUG=1`` shows the traceback always.

    Of several processes that fail, one speaks. Under our launcher each leaves its sentence in the
    folder ``MMSSL_ERROR_DIR``, and the launcher prints the earliest, which is the cause, at the
    end. Under others (Slurm) the first on each machine speaks, and the rest only if nobody has
    ended them meanwhile.
    """
    for stream in (sys.stdout, sys.stderr):  # names of files may hold any bytes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    try:
        main()
    except (SystemExit, argparse.ArgumentError):
        raise
    except KeyboardInterrupt:
        print('error: interrupted', file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        rank = int(os.environ.get('LOCAL_RANK') or os.environ.get('SLURM_LOCALID') or 0)
        folder = os.environ.get(ERROR_DIR)
        if folder:
            first = not any(Path(folder).iterdir())
            Path(folder, str(rank)).write_text(sentence(error), errors='backslashreplace')
        else:
            first = True
            if rank > 0:
                time.sleep(5)
        if first and (os.environ.get(DEBUG, '0') != '0' or not is_explicit(error)):
            traceback.print_exc()
        sys.stdout.flush()
        if not folder:
            print(f'error: {sentence(error)}', file=sys.stderr, flush=True)
        sys.exit(1)


def is_explicit(error: BaseException) -> bool:
    """Whether the error is about the user's files or settings, and not a fault of the program."""
    if isinstance(error, (OSError, SyntaxError, ModuleNotFoundError)):
        return True
    if type(error).__module__.split('.')[0] in _OURS:
        return True  # also where a worker raised it, whose frames are lost
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return False
    last = frames[-1]
    if last.filename.endswith(os.path.join('torch', '_utils.py')):
        # an error of a DataLoader worker, raised anew: the worker's own frames are in the text
        places = re.findall(r'File "([^"]+)", line \d+, in \S+\n\s+(\S.*)', str(error))
        filename, line = places[-1] if places else ('', 'raise')
    else:
        filename, line = last.filename, last.line or ''
    if isinstance(error, TypeError) and filename.endswith('build_functions.py'):
        return True  # mmengine called a class with an argument that the config should not give
    parts = filename.replace(os.sep, '/').split('/')
    return line.startswith(('raise', 'assert')) and any(name in parts for name in _OURS)


def sentence(error: BaseException) -> str:
    """The message of an error as one line of text."""
    if isinstance(error, SyntaxError):
        return f'{error.filename}, line {error.lineno}: {error.msg}'
    # str() of a KeyError puts it in quotes
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    if 'Original Traceback' in text:
        text = re.sub(r'^[\w.]+: ', '', text.strip().splitlines()[-1])
    text = ' '.join(text.split())
    return text or type(error).__name__
