"""Every option of every command with a wrong value: one sentence, an exit code, no traceback.

The cases come from the parsers, so that an option which is added is tested. Those of one option are
replayed by ``pytest -m '' tests/faults/test_options.py -k 'train--seed'``.
"""

from __future__ import annotations

import argparse
import importlib
import signal

import pytest

from mmssl_video import commands
from mmssl_video.commands import COMMANDS
from mmssl_video.commands.arguments import Parser

pytestmark = pytest.mark.slow

# No file: what a command is asked to read is not there, what it is asked to write cannot be.
NOWHERE = '/dev/null/nothing'
#: Least arguments by command that pass its parser; nothing long may begin with them.
LEAST = {
    'train': ['memdpc_demo'],
    'test': ['linear', 'missing.pth', '--data', 'demo'],
    'features': ['missing.pth', 'missing.txt', '--out', 'features.npz'],
    'prepare': ['folder', 'missing', 'out'],
    'subsets': ['missing.txt'],
    'flow': ['missing.mp4', '--out', 'flow'],
    'fuse': ['missing.json', 'missing.json'],
    'splits': ['linear', 'missing.pth', '--data', 'ucf101'],
    'summarize': ['missing.json'],
    'surprise': ['missing.pth', 'missing.txt'],
    'memory': ['missing.pth', '--videos', 'missing.txt', '--out', 'memory.png'],
    'similarity': ['missing.pth', '--videos', 'missing.txt'],
    'convert': ['missing.pyth', 'out.pth', '--from', 'fgkvmempred'],
    'benchmark': ['step', '--config', 'missing.py'],
    'quickstart': ['--videos', NOWHERE],
    'demo-videos': [NOWHERE],
}


def parser_of(name: str) -> Parser:
    module, _ = COMMANDS[name]
    return importlib.import_module(f'mmssl_video.commands.{module}').parser()


def wrong_values(action: argparse.Action) -> list[list[str]]:
    """Arguments that the parser itself must refuse."""
    option = action.option_strings[0] if action.option_strings else None
    if option is None:
        return [['no-such-choice']] if action.choices else []
    if action.nargs == 0:
        return [[f'{option}=value']]
    if action.choices:
        return [[option, 'no-such-choice'], [option, '']]
    if isinstance(action.type, type) or callable(action.type):
        values = ['words', '', '1e', '--']
        if getattr(action.type, '__qualname__', '').startswith('whole'):
            values += ['1.5', '-1', '99999999999999999999x']
        return [[option, value] for value in values]
    if action.nargs in (None, '+'):
        return [[option]]  # without its value
    return []


def cases():
    for name in COMMANDS:
        yield pytest.param(name, None, ['--no-such-option'], id=f'{name}--no-such-option')
        for action in parser_of(name)._actions:
            if action.dest == 'help':
                continue
            option = (action.option_strings or [action.dest])[0]
            for number, words in enumerate(wrong_values(action)):
                yield pytest.param(name, action, words, id=f'{name}{option}-{number}')


def refusal(name: str, argv: list[str], capfd) -> str:
    """Run a command, which must end with an error: its last line."""
    signal.alarm(60)  # a wrong value must not start long work
    try:
        with pytest.raises(SystemExit) as stop:
            commands.run(name, argv)
    finally:
        signal.alarm(0)
    printed = ''.join(capfd.readouterr())
    assert stop.value.code not in (0, None), printed
    assert 'Traceback' not in printed, printed
    return printed.strip().splitlines()[-1]


@pytest.mark.parametrize('name, action, words', list(cases()))
def test_wrong_values_end_in_one_sentence(name, action, words, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if action is None or action.option_strings:
        argv = [*LEAST[name], *words]
    else:  # the positional one is the first
        argv = [*words, *LEAST[name][1:]]
    last = refusal(name, argv, capfd)
    assert 'error: ' in last
    if action is not None and words[-1] != '--':
        assert (action.option_strings or [action.metavar or action.dest])[0] in last, last


def places():
    """Options whose value is a name: of a file, a data set, a device."""
    for name in COMMANDS:
        for action in parser_of(name)._actions:
            takes_name = action.type is None and not action.choices and action.nargs != 0
            if takes_name and action.option_strings and action.dest != 'cfg_options':
                for value in (NOWHERE, '', 'a\nb', '\udcff'):
                    option = action.option_strings[0]
                    yield pytest.param(name, option, value, id=f'{name}{option}-{value!r}')


@pytest.mark.parametrize('name, option, value', list(places()))
def test_names_of_nothing_end_in_one_sentence(name, option, value, capfd, tmp_path, monkeypatch):
    """What else is missing may be said first; no name is a fault of the program."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HOME', str(tmp_path))
    last = refusal(name, [*LEAST[name], option, value], capfd)
    assert 'error: ' in last


@pytest.mark.parametrize('name', sorted(LEAST))
def test_what_is_missing_is_named(name, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    last = refusal(name, LEAST[name], capfd)
    assert 'error: ' in last


@pytest.mark.parametrize(
    'pair',
    [
        'model',
        '=1',
        'no.such.key=1',
        'model=(',
        'train_cfg.max_epochs=words',
        'model.type=os.system',
    ]
    + ['optimizer.lr=0.5', 'train_dataloader.batch_size=-1', 'train_dataloader.batch_size=0'],
)
def test_wrong_cfg_options(pair, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    last = refusal('train', [*LEAST['train'], '--cfg-options', pair], capfd)
    assert 'error: ' in last


def test_every_command_has_its_least_arguments():
    assert sorted(LEAST) == sorted(COMMANDS)
    for name, argv in LEAST.items():
        parser_of(name).parse_args(argv)
