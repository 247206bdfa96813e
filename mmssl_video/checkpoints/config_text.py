"""The config inside a checkpoint, read as data.

mmengine keeps a run's config as Python text (``meta['cfg']``, written by ``Config.pretty_text``).
Running that text would let a downloaded file run code, so only what ``pretty_text`` can write is
understood: assignments of literals, ``dict(...)`` calls, lists, tuples, sets and mappings.
"""

from __future__ import annotations

import ast
import re
from typing import Any, cast

from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry

from mmssl_video.models.recognizers.self_supervised import upgrade_model_config

from .io import CheckpointError

# Far above any real config (mmengine's largest are about 50 kB): the parser is not fed megabytes.
MAX_TEXT = 1_000_000
_FLOAT_NAMES = {'inf': float('inf'), 'nan': float('nan')}


def config_from_text(text: str, source: str = 'the config text') -> Config:
    """Parse the text of a config without executing any of it.

    Args:
        text: what ``Config.pretty_text`` wrote.
        source: how messages name the origin.

    Returns:
        mmengine ``Config``.

    Raises:
        CheckpointError: the text holds anything but data; the message names the line.
    """
    if len(text) > MAX_TEXT:
        raise CheckpointError(
            f'{source} is {len(text)} characters long, more than any config (limit {MAX_TEXT}): '
            'refused.'
        )
    values: dict[str, Any] = {}
    try:
        tree = ast.parse(text)
        for statement in tree.body:
            if not (
                isinstance(statement, ast.Assign)
                and len(statement.targets) == 1
                and isinstance(statement.targets[0], ast.Name)
            ):
                raise _refusal(source, text, statement, 'only `name = value` lines are read')
            values[statement.targets[0].id] = _value(statement.value, source, text)
    except SyntaxError as error:
        raise CheckpointError(
            f'{source} is not a config: line {error.lineno}: {error.msg}.'
        ) from None
    except (RecursionError, MemoryError):
        raise CheckpointError(f'{source} is nested too deeply to be a config: refused.') from None
    except ValueError as error:
        if isinstance(error, CheckpointError):
            raise
        # ast refuses null characters and integers of thousands of digits this way
        raise CheckpointError(f'{source} is not a config: {error}.') from None
    try:
        return Config(values)
    except KeyError as error:
        raise CheckpointError(f'{source} is not a config: {error.args[0]}.') from None


def config_from_checkpoint(checkpoint: dict, source: str = 'the checkpoint') -> Config:
    """The config a checkpoint was trained with, as data; its ``model`` part is safe to build.

    Args:
        checkpoint: what :func:`mmssl_video.checkpoints.load_checkpoint_file` returned.
        source: how messages name it, usually its path.

    Returns:
        mmengine ``Config``; settings of older versions are translated to today's.

    Raises:
        CheckpointError: no config in it, text that is not data, or a ``model`` that names anything
            but registered components (mmengine would import such a name:
            ``type='subprocess.Popen'`` would run a program).
    """
    meta = checkpoint.get('meta')
    text = meta.get('cfg') if isinstance(meta, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise CheckpointError(
            f"{source} holds no config (meta['cfg']), so the model cannot be rebuilt from it: give "
            "the config beside it, or convert the authors' files with tools/convert_checkpoint.py "
            'first.'
        )
    config = config_from_text(text, f'the config in {source}')
    if 'model' in config:
        _refuse_unregistered(config.model, 'model', source)
        try:
            config.model = ConfigDict(upgrade_model_config(config.model))
        except (AttributeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f'the model in the config of {source} has settings of no known kind: {error}.'
            ) from None
    return config


def _refusal(source: str, text: str, node: ast.AST, why: str) -> CheckpointError:
    line = getattr(node, 'lineno', 0)
    lines = text.splitlines()
    shown = lines[line - 1].strip()[:80] if 0 < line <= len(lines) else ''
    return CheckpointError(
        f'{source} is not plain data and was not run: line {line} (`{shown}`): {why}.'
    )


def _value(node: ast.AST, source: str, text: str) -> Any:
    if isinstance(node, ast.Constant) and (
        node.value is None or isinstance(node.value, (str, int, float))
    ):
        return node.value  # bool is an int
    if isinstance(node, ast.Name) and node.id in _FLOAT_NAMES:
        return _FLOAT_NAMES[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        number = _value(node.operand, source, text)
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            return -number if isinstance(node.op, ast.USub) else number
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        items = [_value(item, source, text) for item in node.elts]
        if isinstance(node, ast.List):
            return items
        return (
            tuple(items) if isinstance(node, ast.Tuple) else _hashed(set, items, node, source, text)
        )
    if isinstance(node, ast.Dict) and None not in node.keys:
        pairs = [
            (_value(k, source, text), _value(v, source, text))
            for k, v in zip(cast('list[ast.expr]', node.keys), node.values)
        ]
        return _hashed(dict, pairs, node, source, text)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        names = [keyword.arg for keyword in node.keywords]
        if node.func.id == 'dict' and None not in names:
            # pretty_text writes a mapping whose keys are no identifiers as `dict({...})`
            if len(node.args) == 1 and not names and isinstance(node.args[0], ast.Dict):
                return _value(node.args[0], source, text)
            if not node.args:
                return {
                    keyword.arg: _value(keyword.value, source, text) for keyword in node.keywords
                }
        if node.func.id == 'set' and not node.args and not names:
            return set()
    raise _refusal(source, text, node, 'only literals and dict(...) of literals are read')


def _hashed(kind: type, items: list, node: ast.AST, source: str, text: str) -> Any:
    try:
        return kind(items)
    except TypeError:
        raise _refusal(source, text, node, 'a key or an item of a set is not hashable') from None


def _registered_names() -> set[str]:
    import mmaction.registry
    import mmengine.registry

    names: set[str] = set()
    for room in (mmaction.registry, mmengine.registry):
        for registry in (room.MODELS, room.WEIGHT_INITIALIZERS, room.TASK_UTILS):
            assert isinstance(registry, Registry)
            registry.import_from_location()
            names.update(registry.module_dict)
    return names


def _refuse_unregistered(
    config: Any, where: str, source: str, names: set[str] | None = None
) -> None:
    """Refuse component names that mmengine would import from anywhere and call."""
    names = _registered_names() if names is None else names
    if isinstance(config, dict):
        if '_scope_' in config and config['_scope_'] not in ('mmaction', 'mmengine'):
            raise CheckpointError(
                f'the config in {source} is refused: {where}._scope_ = {config["_scope_"]!r} '
                'would import a package of that name.'
            )
        kind = config.get('type')
        if kind is not None:
            plain = re.sub(r'^(mmaction|mmengine)\.', '', kind) if isinstance(kind, str) else ''
            if plain not in names:
                raise CheckpointError(
                    f'the config in {source} is refused: {where}.type = {kind!r} is no registered '
                    'model component; import the package that registers it first, if you trust it.'
                )
        for key, value in config.items():
            _refuse_unregistered(value, f'{where}.{key}', source, names)
    elif isinstance(config, (list, tuple)):
        for index, value in enumerate(config):
            _refuse_unregistered(value, f'{where}[{index}]', source, names)
