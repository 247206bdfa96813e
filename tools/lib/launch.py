"""torchrun without its closing traceback: at the end stands what the first failed process said.

Takes the arguments of torchrun. Exits with the code of the process that failed first.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
from pathlib import Path

from torch.distributed import DistNetworkError
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main


def launch(argv: list[str]) -> int:
    logging.getLogger('torch.distributed.elastic').setLevel(logging.CRITICAL)
    # processes leave their sentences here, see mmssl_video.commands.errors
    with tempfile.TemporaryDirectory(prefix='mmssl_errors_') as folder:
        os.environ['MMSSL_ERROR_DIR'] = folder
        # they end with this process, see mmssl_video.engine.distributed
        os.environ['MMSSL_LAUNCHER'] = str(os.getpid())
        try:
            main(argv)
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            said = sorted(Path(folder).iterdir(), key=lambda path: path.stat().st_mtime_ns)
            if failure.exitcode < 0:  # killed by a signal, so it could not say why
                print(
                    f'error: process {rank} was ended by signal {-failure.exitcode}'
                    + (' (out of memory?)' if failure.exitcode == -9 else ''),
                    file=sys.stderr,
                )
                return 128 - failure.exitcode
            if said:
                print(f'error: {said[0].read_text()}', file=sys.stderr)
            return failure.exitcode
        except KeyboardInterrupt:
            print('error: interrupted', file=sys.stderr)
            return 130
        except SignalException as error:
            number = int(error.sigval)
            interrupted = number == signal.SIGINT
            print(
                'error: interrupted' if interrupted else f'error: ended by signal {number}',
                file=sys.stderr,
            )
            return 128 + number
        except DistNetworkError as error:
            reason = 'in use' if 'EADDRINUSE' in str(error) else ' '.join(str(error).split())
            print(
                f'error: the address that the processes meet at cannot be used ({reason}): set '
                'PORT to a free port, or leave it out',
                file=sys.stderr,
            )
            return 2
    return 0


if __name__ == '__main__':
    sys.exit(launch(sys.argv[1:]))
