"""Imports run downward, as the table in docs/architecture.md says, and no room names a method."""

import ast
import re
from pathlib import Path

import pytest
from mmaction.registry import MODELS

import mmssl_video
from mmssl_video.models.recognizers import SelfSupervisedRecognizer

PACKAGE = Path(mmssl_video.__file__).parent
REPO = PACKAGE.parent
FILES = sorted(PACKAGE.rglob('*.py'))
# Rooms that must do with what every method says of itself.
WITHOUT_METHODS = (
    'apis',
    'settings',
    'commands',
    'evaluation',
    'results',
    'engine',
    'benchmark',
    'datasets',
)


def floors():
    """Floor of each room, ``{'apis': 5, 'compat': 1, …}``, from the page's table."""
    rows = re.findall(
        r'^\| (\d) \| ([^|]+) \|', (REPO / 'docs' / 'architecture.md').read_text(), re.MULTILINE
    )
    return {
        room.removesuffix('/').removesuffix('.py'): int(floor)
        for floor, rooms in rows
        for room in re.findall(r'`([^`]+)`', rooms)
    }


FLOORS = floors()


def module_of(path):
    """Dotted name of a file, without ``__init__``."""
    parts = path.relative_to(REPO).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


MODULES = {module_of(path): path for path in FILES}


def room_of(module):
    """``'apis'`` of ``mmssl_video.apis.train``; '' of the package itself."""
    return module.split('.')[1] if '.' in module else ''


def imported(path, lazy=True):
    """Modules of the package that a file imports; without ``lazy`` only when it is imported."""
    module = module_of(path)
    package = module if path.name == '__init__.py' else module.rpartition('.')[0]
    tree = ast.parse(path.read_text(encoding='utf-8'))
    for node in ast.walk(tree) if lazy else at_import(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.split('.')[: len(package.split('.')) - node.level + 1]
            start = '.'.join([*(base if node.level else []), *filter(None, [node.module])])
            names = [f'{start}.{alias.name}' for alias in node.names]
        else:
            continue
        for name in names:
            while name and name not in MODULES:  # a function or a class of a module
                name = name.rpartition('.')[0]
            if name and name != module:
                yield name


def at_import(tree):
    """Nodes that run when a module is imported: all but those in functions."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield node
            yield from at_import(node)


def test_every_room_has_a_floor():
    rooms = {room_of(module) for module in MODULES} - {'', '__main__'}
    assert rooms <= set(FLOORS), 'and a row in docs/architecture.md'
    assert set(FLOORS) - {'tools'} <= rooms, 'rooms of the page that are not there'


@pytest.mark.parametrize('room', sorted({room_of(module) for module in MODULES} - {''}))
def test_imports_run_downward(room):
    upward = [
        f'{module} imports {name}'
        for module, path in MODULES.items()
        if room_of(module) == room
        for name in imported(path)
        if room_of(name) and FLOORS.get(room_of(name), 9) > FLOORS.get(room, 9)
    ]
    assert not upward, '\n'.join(upward)


def test_no_rooms_import_each_other():
    """Not even those on one floor."""
    needs = {}
    for module, path in MODULES.items():
        needs.setdefault(room_of(module), set()).update(map(room_of, imported(path)))
    for room in (rooms := {room: below - {room, ''} for room, below in needs.items() if room}):
        seen, ahead = set(), set(rooms[room])
        while ahead:
            seen |= ahead
            ahead = set().union(*(rooms.get(each, set()) for each in ahead)) - seen
        assert room not in seen, f'{room} needs itself by way of {sorted(seen)}'


def test_no_modules_import_each_other():
    needs = {
        module: {name for name in imported(path, lazy=False) if not is_parent(name, module)}
        for module, path in MODULES.items()
    }
    done, trail = set(), []

    def visit(module):
        assert module not in trail, ' -> '.join([*trail[trail.index(module) :], module])
        if module not in done:
            trail.append(module)
            for name in sorted(needs[module]):
                visit(name)
            done.add(trail.pop())

    for module in sorted(needs):
        visit(module)


def is_parent(name, module):
    """Whether a package is one that holds the module: it is being imported already."""
    return module.startswith(f'{name}.')


def test_tools_are_doors():
    for path in (REPO / 'tools').glob('*.py'):
        text = path.read_text(encoding='utf-8')
        assert 'from mmssl_video.commands import run' in text and len(text.splitlines()) < 12, path


METHODS = {
    name
    for name, recognizer in MODELS.module_dict.items()
    if isinstance(recognizer, type)
    and issubclass(recognizer, SelfSupervisedRecognizer)
    and recognizer.__module__.startswith('mmssl_video')
}


def test_there_are_methods_to_look_for():
    assert len(METHODS) >= 3


@pytest.mark.parametrize('room', [*WITHOUT_METHODS, 'tools'])
def test_no_room_names_a_method(room):
    """What a method needs, checks and shows is asked of it."""
    folder = (REPO if room == 'tools' else PACKAGE) / room
    named = [
        f'{path.relative_to(REPO)}:{node.lineno} {word}'
        for path in folder.rglob('*.py')
        for node, word in words(path)
        if word in METHODS
    ]
    assert not named, '\n'.join(named)


def words(path):
    """Names, attributes, imports and texts of a file, documentation left out."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node, node.id
        elif isinstance(node, ast.Attribute):
            yield node, node.attr
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield node, alias.name.rpartition('.')[2]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node, node.value.rpartition('.')[2]
