"""The command ``mmssl``, also ``python -m mmssl_video``: one table of what there is to do.

``tools/*.py`` are doors to the same functions. A command is a file of this room with ``parser()``
and ``main(argv)``; it is imported when it is asked for, so that ``mmssl --help`` takes no time.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence

from . import errors

#: name -> (module of this room, what it does)
COMMANDS = {
    'train': ('train', 'pre-train, fine-tune or probe a network online, as a config says'),
    'test': ('test', 'evaluate a checkpoint as a config says'),
    'features': ('features', 'write the features of videos to a file'),
    'prepare': ('prepare', 'write the lists of a downloaded data set and verify its videos'),
    'subsets': ('subsets', 'write low-label parts of a list'),
    'flow': ('flow', 'extract the optical flow of videos'),
    'fuse': ('fuse', 'fuse models of several streams, such as RGB and flow'),
    'splits': ('splits', 'evaluate on several splits and average the figures'),
    'summarize': ('summarize', 'compare checkpoints: tables and a figure of results files'),
    'surprise': ('surprise', 'find failures in videos by what a model did not expect'),
    'memory': ('memory', 'draw what the memory of a pre-trained model learnt'),
    'similarity': ('similarity', 'draw how alike clips look to encoders'),
    'convert': ('convert', "turn a checkpoint of a paper's authors into one of ours"),
    'benchmark': ('benchmark', 'measure speed and memory as ratios, side by side'),
    'quickstart': ('quickstart', 'pre-train on demo videos or your own, then judge the result'),
    'demo-videos': ('demo_videos', 'write generated videos whose class is a motion'),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``mmssl COMMAND ...``; leaves with the exit code.

    Args:
        argv: The command and its arguments; those of the process by default.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog='mmssl',
        usage='mmssl COMMAND [ARGUMENTS]',
        description='Self-supervised video representation learning: train, judge, use.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='commands:\n'
        + ''.join(f'  {name:<12} {what}\n' for name, (_, what) in COMMANDS.items())
        + '\nmmssl COMMAND --help lists the arguments of a command.\n'
        'Configs are named by path, or shipped ones by name: memdpc_k400, '
        'mmssl_video::memdpc_k400.',
    )
    parser.add_argument('--version', action='store_true', help='show the version')
    if argv and not argv[0].startswith('-'):
        run(argv[0], argv[1:])
        return
    if parser.parse_args(argv).version:
        from ..version import __version__

        print(f'mmssl_video {__version__}')
    else:
        parser.print_help()


def run(name: str, argv: Sequence[str] | None = None) -> None:
    """Run one command; an error that it means for its user ends the process with one sentence.

    Args:
        name: Of :data:`COMMANDS`.
        argv: Its arguments; those of the process by default.
    """
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        print(
            f'error: mmssl has no command {name!r}'
            + (f'; did you mean {near[0]}?' if near else f': it has {", ".join(COMMANDS)}'),
            file=sys.stderr,
        )
        sys.exit(2)

    def work() -> None:
        import mmssl_video

        mmssl_video.register()
        module = importlib.import_module(f'.{COMMANDS[name][0]}', __name__)
        module.main(None if argv is None else list(argv))

    errors.run(work)
