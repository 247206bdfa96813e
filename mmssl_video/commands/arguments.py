"""What the command lines share: one option has one name, one type and one sentence of help."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import DictAction

from ..checkpoints import config_from_text
from . import errors


class Parser(argparse.ArgumentParser):
    """Parser of one command, under the name by which it was called.

    Args:
        name: The command's name.
        description: What it does.
        **options: Of ``argparse.ArgumentParser``.
    """

    def __init__(self, name: str, description: str, **options: Any) -> None:
        called = Path(sys.argv[0]).name
        is_tool = called.endswith('.py') and called != '__main__.py'
        options.setdefault(
            'epilog', f'{errors.DEBUG}=1 in the environment shows the traceback of every error.'
        )
        super().__init__(
            prog=called if is_tool else f'mmssl {name}',
            description=description,
            formatter_class=Formatter,
            **options,
        )

    def add(self, *names: str, **changes: Any) -> None:
        """Add arguments that several commands have.

        Args:
            names: Keys of :data:`SHARED`.
            **changes: Of these arguments, such as another ``help``.
        """
        for name in names:
            self.add_argument(name, **{**SHARED[name], **changes})

    def parse(self, argv: Sequence[str] | None = None) -> argparse.Namespace:
        """Parse a command line; of one of several processes its rank becomes ``LOCAL_RANK``."""
        args = self.parse_args(argv)
        if getattr(args, 'local_rank', None) is not None:
            os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
        return args

    def add_launcher(self) -> None:
        """Add what says how several processes were started."""
        self.add_argument(
            '--launcher',
            choices=['none', 'pytorch', 'slurm', 'mpi'],
            default='none',
            help='how several processes were started: pytorch by torchrun (tools/dist_train.sh and '
            'others set it)',
        )
        self.add_argument('--local-rank', '--local_rank', type=int, help=argparse.SUPPRESS)


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Shows the default of every option that has one, and wraps descriptions."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default, text = action.default, action.help
        if not text or '(default' in text or default is None or isinstance(default, bool):
            return text
        if default == argparse.SUPPRESS:
            return text
        if isinstance(default, (list, tuple)):
            default = ' '.join(map(str, default))
        return f'{text} (default: {str(default).replace("%", "%%")})'

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.split('\n\n')
        return '\n\n'.join(
            argparse.HelpFormatter._fill_text(self, part, width, indent) for part in paragraphs
        )


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """``type=`` of an argparse argument: a whole number in a range."""
    span = f'of at least {least}' if most is None else f'from {least} to {most}'

    def read(text: str) -> int:
        number = int(text) if re.fullmatch(r'[+-]?\d+', text) else None
        if number is None or number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f'must be a whole number {span}, not {text!r}')
        return number

    return read


seed = whole(0, 2**32 - 1)  # what NumPy takes


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


class ConfigOptions(DictAction):
    """``KEY=VALUE`` pairs as mmengine reads them, and values with ``dict(...)`` as in a config.

    mmengine recurses without end on the latter.

    Raises:
        ValueError: No pair, or a value that cannot be read.
    """

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        options = dict(getattr(namespace, self.dest, None) or {})
        for pair in values:
            key, equals, text = pair.partition('=')
            if not equals or not key:
                raise ValueError(
                    f'{option_string} takes KEY=VALUE, such as model.pred_steps=4, not {pair!r}'
                )
            where = f'{option_string} {key}'
            if 'dict(' in text or '{' in text:
                options[key] = config_from_text(f'value = {text}', where)['value']
                continue
            try:
                options[key] = self._parse_iterable(text)
            except AssertionError as error:
                raise ValueError(f'{where}: {error}') from None
        setattr(namespace, self.dest, options)


#: Arguments that several commands have.
SHARED: dict[str, dict[str, Any]] = {
    'config': dict(
        metavar='CONFIG', help='path of a config, or the name of a shipped one: memdpc_k400'
    ),
    '--data': dict(
        metavar='NAME|CONFIG|DIR',
        help='data set: ucf101, hmdb51, k400, oops, demo, …, a config of your own, or a '
        'folder that mmssl prepare wrote; a protocol such as linear or finetune_memdpc needs one, '
        "any other config's own is replaced",
    ),
    '--flow': dict(action='store_true', help='read the optical flow of the data set'),
    '--work-dir': dict(
        metavar='DIR',
        help='where logs, checkpoints and results go (default: work_dirs/<config>, with _flow '
        'and _<data set> where these are given)',
    ),
    'checkpoint': dict(
        metavar='CHECKPOINT',
        help='checkpoint file, or the word random for the untrained model of --encoder-config',
    ),
    'checkpoints': dict(nargs='+', metavar='CHECKPOINT'),
    '--videos': dict(
        required=True, metavar='LIST', help='list file of the videos (`path label` a line)'
    ),
    '--out': dict(
        metavar='JSON',
        help='file the results are appended to (default: results.json in the work dir)',
    ),
    '--workers': dict(
        type=whole(1), default=cores(), metavar='N', help='processes, each with one thread'
    ),
    '--seed': dict(type=seed, default=0, metavar='N', help='seed of random weights'),
    '--device': dict(
        metavar='DEVICE',
        help='where to compute, such as cpu or cuda:1 (default: the GPU where there is one)',
    ),
    '--encoder-config': dict(
        metavar='CONFIG',
        help='config of the encoder, instead of that inside the checkpoint; needed for random',
    ),
    '--calibrate-bn': dict(
        type=whole(0),
        default=0,
        metavar='BATCHES',
        help='set the BatchNorm statistics of the encoder on so many batches of gallery clips '
        'first; 0: leave them',
    ),
    '--no-baselines': dict(action='store_true', help='leave out chance-level and trivial features'),
    '--num-workers': dict(
        type=whole(0), default=2, metavar='N', help='processes that decode videos'
    ),
    '--root': dict(
        metavar='DIR', help='folder that the paths of a list start from (default: that of the list)'
    ),
    '--cfg-options': dict(
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='change settings of the config, as in model.pred_steps=4',
    ),
}
