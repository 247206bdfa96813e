"""Whatever command a page, or a comment of a config, tells its reader to give can be given."""

import functools
import importlib
import re
import shlex
import subprocess

import pytest

from helpers.documents import PAGES, REPO, commands, named_files, prose
from mmssl_video.apis import load_config
from mmssl_video.commands import COMMANDS
from mmssl_video.settings.data import shipped_data
from mmssl_video.settings.names import config_dir, find_config

SOURCES = [*PAGES, *sorted(config_dir().rglob('*.py'))]
DOCUMENTED = [
    (path.relative_to(REPO), command)
    for path in SOURCES
    for command in dict.fromkeys(commands(path))
]
SCRIPTS = {'dist_train.sh': 'train', 'dist_test.sh': 'test', 'slurm_train.sh': 'train'}
# What a reader fills in, where the command wants something in particular.
FILLED_IN = {'S': '0', 'N': '1', 'GPUS': '8', '$CKPT': 'CKPT', '…': 'DATA'}


def test_there_are_commands_on_the_pages():
    """Else the rest of this file would be satisfied by a change of style."""
    assert len(DOCUMENTED) > 100
    used = {shlex.split(command)[1] for _, command in DOCUMENTED if command.startswith('mmssl ')}
    assert used >= set(COMMANDS) - {'quickstart'}


def is_placeholder(word):
    """``CONFIG``, ``RESULTS.json``, or a file that the reader writes, ``my_memdpc.py``."""
    return bool(re.match(r'[A-Z]|my_', word))


def command_line(words):
    """Name of the command of ours, and its arguments; None for a script without any."""
    if words[:3] == ['python', '-m', 'mmssl_video']:
        words = ['mmssl', *words[3:]]
    if words[0] == 'mmssl':
        return (words[1], words[2:]) if len(words) > 1 else (None, [])
    words = words[1:] if words[0] in ('python', 'bash') else words
    script = REPO / words[0]
    assert script.is_file(), f'there is no {words[0]}'
    if script.suffix == '.py':
        return re.search(r"run\('([\w-]+)'\)", script.read_text()).group(1), words[1:]
    if script.name in SCRIPTS:
        before = {'slurm_train.sh': 2}.get(script.name, 0)  # PARTITION JOB_NAME
        rest = words[1 + before :]
        processes = {'dist_train.sh': 1, 'dist_test.sh': 2}.get(script.name, 1)
        return SCRIPTS[script.name], rest[:processes] + rest[processes + 1 :]
    return None, []


@functools.cache
def parses(name, argv):
    assert name in COMMANDS, f'mmssl has no command {name}'
    module = importlib.import_module(f'mmssl_video.commands.{COMMANDS[name][0]}')
    try:
        return module.parser().parse(list(argv))
    except SystemExit as leaving:
        if {'--help', '-h'} & set(argv):
            return None
        raise AssertionError(f'mmssl {name} does not take {" ".join(argv)}') from leaving


@pytest.mark.parametrize('source, command', DOCUMENTED, ids=lambda value: str(value)[:60])
def test_command_can_be_given(source, command):
    words = [FILLED_IN.get(word, word) for word in shlex.split(command)]
    name, argv = command_line(words)
    if name is None or not argv or argv == ['ARGUMENTS']:
        return  # the name of a command in a sentence
    args = parses(name, tuple(argv))
    own = set(named_files(REPO / source)) if source.suffix == '.md' else set()
    for option in ('config', 'encoder_config'):
        config = getattr(args, option, None)
        if config and not is_placeholder(config) and config not in own:
            find_config(config)
    config, data = getattr(args, 'config', None), getattr(args, 'data', None)
    if data is not None and not is_placeholder(data):
        assert '/' in data or data in shipped_data(), f'there is no data set {data}'
    if not config or is_placeholder(config) or config in own or '/' in (data or ''):
        return
    if data is not None and is_placeholder(data):
        return
    options = getattr(args, 'cfg_options', None) or {}
    load_config(config, options, data, getattr(args, 'flow', False))


# ---------------------------------------------------------------- links and paths


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r'\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)', prose(page)):
        there = page if not target else (page.parent / target)
        assert there.exists(), f'{target} is not there'
        if anchor:
            headings = re.findall(r'^#+ (.*)$', there.read_text(), re.MULTILINE)
            slugs = [re.sub(r'[^\w\- ]', '', each.lower()).replace(' ', '-') for each in headings]
            assert anchor in slugs, f'{target}#{anchor}: there are {", ".join(slugs)}'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_files_that_a_page_names_are_there(page):
    """In the clone, by path or by file name; or written on the page, or by the reader."""
    if page.name in ('renamed.md', 'CHANGELOG.md'):
        pytest.skip('names what was')
    tracked = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    own = set(named_files(page))
    for name in re.findall(r'`([\w/.-]+\.(?:py|sh|md|toml))`', prose(page)):
        is_there = any(path == name or path.endswith(f'/{name}') for path in tracked)
        assert is_there or is_placeholder(name) or name in own, f'{name} is not there'
