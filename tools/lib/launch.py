"""torchrun without its closing traceback: a worker that fails has said why itself.

Takes the arguments of torchrun. Exits with the code of the worker that failed first.
"""

from __future__ import annotations

import logging
import sys

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main


def launch(argv: list[str]) -> int:
    logging.getLogger('torch.distributed.elastic').setLevel(logging.CRITICAL)
    try:
        main(argv)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:  # killed by a signal, so it could not say why
            print(f'error: process {rank} was ended by signal {-failure.exitcode}'
                  + (' (out of memory?)' if failure.exitcode == -9 else ''), file=sys.stderr)
            return 128 - failure.exitcode
        return failure.exitcode
    return 0


if __name__ == '__main__':
    sys.exit(launch(sys.argv[1:]))
