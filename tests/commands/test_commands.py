"""The command ``mmssl``: its table, its help pages, its doors in tools/, its mistakes."""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys

import pytest

import mmssl_video
from helpers.tiny_run import REPO, environment, last_line, run
from mmssl_video import commands
from mmssl_video.commands import COMMANDS
from mmssl_video.commands.arguments import SHARED


@pytest.fixture(scope='module')
def parsers():
    """Parser of every command, by name."""
    modules = {
        name: importlib.import_module(f'mmssl_video.commands.{module}')
        for name, (module, _) in COMMANDS.items()
    }
    assert all(callable(module.main) for module in modules.values())
    return {name: module.parser() for name, module in modules.items()}


def test_help_lists_every_command_without_importing_torch():
    code = (
        'import sys; sys.argv[0] = "/usr/bin/mmssl"\n'
        'from mmssl_video.commands import main\n'
        'try:\n    main(["--help"])\nexcept SystemExit as stop:\n    assert not stop.code\n'
        'print(sorted({"torch", "mmengine", "mmaction", "cv2"} & set(sys.modules)))'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == '[]'
    for name, (_, what) in COMMANDS.items():
        assert re.search(rf'^  {name} +{re.escape(what)}$', done.stdout, re.MULTILINE), name
    assert '\t' not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.skipif(sys.version_info < (3, 10), reason='before, a process does not know that of -m')
def test_python_dash_m_imports_no_more_than_it_needs(tmp_path):
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', '-m', 'mmssl_video', '--help'],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith('usage: mmssl COMMAND')
    assert 'mmssl_video.commands' in done.stderr and 'torch' not in done.stderr


def test_every_file_of_the_room_is_a_command():
    files = {path.stem for path in (REPO / 'mmssl_video' / 'commands').glob('*.py')}
    assert files - {'__init__', 'errors', 'arguments'} == {
        module for module, _ in COMMANDS.values()
    }


def test_help_of_every_command_is_complete(parsers):
    for name, parser in parsers.items():
        text = parser.format_help()
        assert text.startswith(f'usage: mmssl {name} '), name
        assert '\t' not in text and '(default: None)' not in text and 'as in tools' not in text
        for action in parser._actions:
            assert action.help, (name, action.option_strings)
            shown = action.default not in (None, False, True, argparse.SUPPRESS)
            if shown and action.help != argparse.SUPPRESS:
                assert '(default: ' in parser._get_formatter()._get_help_string(action), name


def test_an_option_means_the_same_everywhere(parsers):
    """Its type, and what a value is called; words may say more where a command does more."""
    meanings = {}
    for name, parser in parsers.items():
        for action in parser._actions:
            for option in action.option_strings or [action.dest]:
                if option in SHARED and option not in ('--out', '--videos'):
                    meanings.setdefault(option, {})[name] = (action.type, action.metavar)
    assert {'--seed', '--device', '--cfg-options', '--root'} <= set(meanings)
    for option, by_command in meanings.items():
        if option == '--seed':  # demo videos may be seeded by any whole number
            del by_command['demo-videos']
        assert len(set(by_command.values())) == 1, (option, by_command)


def test_version_and_help_without_arguments(capsys):
    commands.main(['--version'])
    assert capsys.readouterr().out == f'mmssl_video {mmssl_video.__version__}\n'
    commands.main([])
    assert capsys.readouterr().out.startswith('usage: mmssl COMMAND')


@pytest.mark.parametrize(
    'name, words',
    [
        ('trian', "mmssl has no command 'trian'; did you mean train?"),
        ('zebra', "mmssl has no command 'zebra': it has train, test, features"),
    ],
)
def test_unknown_command_is_one_sentence(name, words, capsys):
    with pytest.raises(SystemExit) as stop:
        commands.main([name])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f'error: {words}') and error.count('\n') == 1


def test_mistake_in_a_command_is_one_sentence(tmp_path):
    words = ['-m', 'mmssl_video', 'train', 'memdpc_k40']
    done = run(sys.executable, *words, cwd=tmp_path)
    assert done.returncode == 1
    assert last_line(done.stdout).startswith("error: config 'memdpc_k40' does not exist")
    assert 'did you mean memdpc_k400' in last_line(done.stdout)
    assert 'Traceback' not in done.stdout


def test_every_door_in_tools_opens_a_command_of_its_own():
    doors = {}
    for path in [*(REPO / 'tools').glob('*.py'), *(REPO / 'tools' / 'data').glob('*.py')]:
        text = path.read_text()
        assert len(text.splitlines()) <= 6, path
        [doors[path.name]] = re.findall(r"run\('([a-z-]+)'\)", text)
    assert sorted(doors.values()) == sorted(COMMANDS)


def test_a_door_uses_its_own_name(tmp_path):
    tool = REPO / 'tools' / 'data' / 'make_subsets.py'
    done = run(sys.executable, tool, '--help', cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith('usage: make_subsets.py [-h]')
