"""The config inside a checkpoint, read as data.

mmengine keeps a run's config as Python text (``meta['cfg']``, written by ``Config.pretty_text``).
Running that text would let a downloaded file run code, so only what ``pretty_text`` can write is
understood: assignments of literals, ``dict(...)`` calls, lists, tuples, sets and mappings.
"""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from typing import Any, cast

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import Registry

from mmssl_video.models.recognizers.self_supervised import upgrade_model_config
from mmssl_video.registered import UnregisteredError, registered

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
    """The config a checkpoint was trained with, as data: nothing in it can make mmengine import.

    Args:
        checkpoint: what :func:`mmssl_video.checkpoints.load_checkpoint_file` returned.
        source: how messages name it, usually its path.

    Returns:
        mmengine ``Config``; settings of older versions are translated to today's. Without
        ``custom_imports``, and without parts of the training alone (hooks, optimizers, ...) that
        name something unregistered.

    Raises:
        CheckpointError: no config in it, text that is not data, or a part that tools build (model,
            data sets, pipelines, ...) which names anything but registered components (mmengine
            would import such a name: ``type='subprocess.Popen'`` would run a program).
    """
    meta = checkpoint.get('meta')
    text = meta.get('cfg') if isinstance(meta, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise CheckpointError(
            f"{source} holds no config (meta['cfg']), so the model cannot be rebuilt from it: give "
            "the config beside it, or convert the authors' files with mmssl convert "
            'first.'
        )
    config = config_from_text(text, f'the config in {source}')
    _only_registered(config, source)
    if 'model' in config:
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


# Registries that components are looked up in, by the key that they stand under; keys between
# inherit. Of mmaction2, whose registries also hold what mmengine's own do.
_REGISTRY_OF = dict(
    dict.fromkeys(('model', 'data_preprocessor'), 'MODELS'),
    init_cfg='WEIGHT_INITIALIZERS',
    **dict.fromkeys(('dataset', 'datasets', 'videos', 'data'), 'DATASETS'),
    **dict.fromkeys(('pipeline', 'transforms', 'transform'), 'TRANSFORMS'),
    **dict.fromkeys(('sampler', 'batch_sampler'), 'DATA_SAMPLERS'),
    collate_fn='FUNCTION',
    worker_init_fn='FUNCTION',
    optim_wrapper='OPTIM_WRAPPERS',
    optimizer='OPTIMIZERS',
    constructor='OPTIM_WRAPPER_CONSTRUCTORS',
    param_scheduler='PARAM_SCHEDULERS',
    visualizer='VISUALIZERS',
    vis_backends='VISBACKENDS',
    log_processor='LOG_PROCESSORS',
    model_wrapper_cfg='MODEL_WRAPPERS',
    **dict.fromkeys(('default_hooks', 'custom_hooks'), 'HOOKS'),
    **{f'{part}_cfg': 'LOOPS' for part in ('train', 'val', 'test')},
    **{f'{part}_evaluator': 'METRICS' for part in ('val', 'test')},
)
# Names of protocols are keys of a table of ours, in which nothing is imported.
_NAMES_OF_OURS = ('protocol',)
# Top-level parts that something is built from, or whose pipelines tell what an encoder saw.
_BUILT = re.compile(
    r'model|data|per_data|dataset|evaluation|surprise|data_preprocessor|\w+_(dataloader|pipeline)'
)


def _registry_of(keys: tuple[str, ...]) -> Registry | None:
    """The registry of a component at the end of these keys; None where nobody builds one."""
    import mmaction.registry

    if keys[0] == 'model':  # whatever its parts are called
        is_init = 'init_cfg' in keys
        return mmaction.registry.WEIGHT_INITIALIZERS if is_init else mmaction.registry.MODELS
    # hooks have names of their own, such as default_hooks.param_scheduler
    for key in keys[:1] if keys[0].endswith('_hooks') else reversed(keys):
        if key in _REGISTRY_OF:
            return getattr(mmaction.registry, _REGISTRY_OF[key])
        if key.endswith('_pipeline'):
            return mmaction.registry.TRANSFORMS
    return None


def _unregistered(config: Any, keys: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Places of names that mmengine would import, and why each is none that is registered.

    mmengine's registries import any name that they do not know and call it, and a scope is a
    package of that name to them.
    """
    where = re.sub(r'\.(\d+)(?=\.|$)', r'[\1]', '.'.join(keys))
    if isinstance(config, dict):
        if config.get('_scope_', 'mmaction') not in ('mmaction', 'mmengine'):
            yield f'{where}._scope_', f'{config["_scope_"]!r} would import a package of that name'
        if config.get('type') is not None and keys[-1] not in _NAMES_OF_OURS:
            registry = _registry_of(keys)
            try:
                if registry is not None:
                    registered(registry, config['type'])
                elif not any(_is_registered(each, config['type']) for each in _registries()):
                    raise UnregisteredError('nobody has registered it')
            except UnregisteredError:
                what = f'{registry.name} ' if registry is not None else ''
                yield f'{where}.type', f'{config["type"]!r} is no registered {what}component'
        for key, value in config.items():
            yield from _unregistered(value, (*keys, str(key)))
    elif isinstance(config, (list, tuple)):
        is_name = keys[-1] in _NAMES_OF_OURS
        for index, value in enumerate(config):
            if is_name and isinstance(value, dict):
                value = {key: each for key, each in value.items() if key != 'type'}
            yield from _unregistered(value, (*keys, str(index)))


def _registries() -> list[Registry]:
    import mmaction.registry

    return [each for each in vars(mmaction.registry).values() if isinstance(each, Registry)]


def _is_registered(registry: Registry, kind: Any) -> bool:
    try:
        registered(registry, kind)
    except UnregisteredError:
        return False
    return True


def _only_registered(config: Config, source: str) -> None:
    """Leave nothing in a config that could be imported when it is built.

    Parts that only training uses (hooks, optimizers, ...) are left out where they name something
    unknown: nobody builds them from a checkpoint, and a user's own are usually not imported.

    Raises:
        CheckpointError: A part that tools build names something that nobody has registered.
    """
    config.pop('custom_imports', None)
    if config.get('default_scope', 'mmaction') not in ('mmaction', 'mmengine', None):
        raise CheckpointError(
            f'the config in {source} is refused: default_scope = {config["default_scope"]!r} would '
            'import a package of that name.'
        )
    for part in list(config):
        found = next(_unregistered(config[part], (str(part),)), None)
        if found is None:
            continue
        where, why = found
        advice = 'import the package that registers it first, if you trust it'
        if _BUILT.fullmatch(part):
            raise CheckpointError(
                f'the config in {source} is refused: {where} = {why}; {advice}.'
                if where.endswith('.type')
                else f'the config in {source} is refused: {where} = {why}.'
            )
        print_log(
            f'the part {part} of the config in {source} is left out: {where} = {why}',
            'current',
            logging.INFO,
        )
        config.pop(part)
