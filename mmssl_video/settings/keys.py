"""Whether a config says anything that nobody reads: a slip, or a setting out of place."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from mmengine.config import Config
from torch.utils.data import DataLoader

from .evaluation import EVALUATION_KEYS


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Keys of a config. A user's own names begin with ``_`` or stand in ``custom_keys``.
TOP_KEYS = _names(
    # mmengine's Runner
    'model work_dir train_dataloader val_dataloader test_dataloader train_cfg val_cfg test_cfg '
    'auto_scale_lr optim_wrapper param_scheduler val_evaluator test_evaluator default_hooks '
    'custom_hooks data_preprocessor load_from resume launcher env_cfg log_processor log_level '
    'visualizer default_scope randomness experiment_name runner_type model_wrapper_cfg '
    'find_unused_parameters sync_bn compile activation_checkpointing efficient_conv_bn_eval '
    'custom_imports '
    # ours
    'custom_keys data flow subset per_data evaluation surprise classification unintentional '
    'encoder_from pretrained num_blocks train_pipeline val_pipeline test_pipeline'
)
_LOADER_KEYS = frozenset(inspect.signature(DataLoader).parameters) | {
    'num_batch_per_epoch',
    'disable_subprocess_warning',
}
#: Keys of parts that have no type, by their place.
PART_KEYS = dict(
    train_dataloader=_LOADER_KEYS,
    val_dataloader=_LOADER_KEYS,
    test_dataloader=_LOADER_KEYS,
    randomness=frozenset({'seed', 'deterministic', 'diff_rank_seed'}),
    auto_scale_lr=frozenset({'base_batch_size', 'enable'}),
    env_cfg=frozenset({'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'}),
    evaluation=EVALUATION_KEYS,
    classification=frozenset({'protocol', 'dataset', 'baselines'}),
    unintentional=frozenset({'protocol', 'dataset'}),
    # arguments of apis.run_surprise
    surprise=_names('dataset videos root num_workers window_batch min_observed max_bad_share draw'),
    train_cfg=_names('by_epoch max_epochs max_iters val_begin val_interval dynamic_intervals'),
    val_cfg=frozenset({'fp16'}),
    test_cfg=frozenset({'fp16'}),
) | {
    f'evaluation.{role}': _LOADER_KEYS | {'views', 'own_pipeline'} for role in ('gallery', 'query')
}
_CLIP = 'optim_wrapper.clip_grad'  # its type is no registered one
PART_KEYS[_CLIP] = frozenset(
    {'type', 'max_norm', 'norm_type', 'error_if_nonfinite', 'foreach', 'clip_value'}
)
PART_KEYS['optim_wrapper.paramwise_cfg'] = _names(
    'custom_keys bias_lr_mult bias_decay_mult norm_decay_mult flat_decay_mult dwconv_decay_mult '
    'dcn_offset_lr_mult bypass_duplicate'
)
# What mmengine takes out of a part before it builds it, by the registry that the part is from.
_BESIDE = dict(
    HOOKS={'priority'},
    OPTIM_WRAPPERS={'constructor', 'paramwise_cfg'},
    PARAM_SCHEDULERS={'convert_to_iter_based', 'epoch_length'},
    LOOPS={'by_epoch'},
)
# Of places of equal depth: what a short name most likely means.
_ORDER = ('train_dataloader', 'optim_wrapper', 'model')


def check_keys(cfg: Config, options: Mapping[str, Any] | None = None) -> None:
    """Refuse settings that nothing reads, and name the nearest one that is read.

    A top-level key is known where it stands in :data:`TOP_KEYS`; a key of a part with a ``type``
    where the class of that name takes it (a class that takes anything is not asked).

    Args:
        cfg: A whole config, options merged.
        options: The options among it, ``{'a.b.c': value}``, for messages.

    Raises:
        ValueError: One is not read.
    """
    own = cfg.get('custom_keys') or ()
    if isinstance(own, str) or not all(isinstance(name, str) for name in own):
        raise ValueError(f'custom_keys must be a list of names, not {own!r}')
    for key in cfg:
        if key not in TOP_KEYS and key not in own and not key.startswith('_'):
            written = [path for path in options or () if path.split('.')[0] == key] or [key]
            raise ValueError(
                _unknown(written[0], '', TOP_KEYS, cfg, options)
                + ('' if written != [key] or key in (options or ()) else _OWN_NAME)
            )
    for place, known, node in _parts(cfg):
        for key in node:
            if key not in known and not str(key).startswith('_'):
                raise ValueError(_unknown(f'{place}.{key}', place, known, cfg, options))
    for name, hook in (cfg.get('default_hooks') or {}).items():
        if isinstance(hook, Mapping) and 'type' not in hook:
            raise ValueError(
                _unknown(
                    f'default_hooks.{name}',
                    'default_hooks',
                    {other for other, each in cfg.default_hooks.items() if 'type' in (each or ())},
                    cfg,
                    options,
                )
            )


_OWN_NAME = ' (names of your own begin with _ or stand in custom_keys = [...])'


def _unknown(
    path: str,
    place: str,
    known: Sequence[str] | set | frozenset,
    cfg: Config,
    options: Mapping[str, Any] | None,
) -> str:
    """The sentence about a key that is not read; ``known`` are those of its place."""
    given = '--cfg-options ' if any(_covers(option, path) for option in options or ()) else ''
    where = f'{place} has no setting {path[len(place) + 1 :]}' if place else f'no setting {path}'
    nearest = _nearest(path, place, known, cfg)
    advice = f'did you mean {nearest}?' if nearest else f'it has {_listed(known)}' if place else ''
    return f'{given}{path}: {"there is " if not place else ""}{where}' + (
        f'; {advice}' if advice else ''
    )


def _covers(option: str, path: str) -> bool:
    return path == option or path.startswith(f'{option}.') or option.startswith(f'{path}.')


def _listed(known) -> str:
    return ', '.join(sorted(known))


def _nearest(path: str, place: str, known, cfg: Config) -> str | None:
    """The known setting that was most likely meant by a path."""
    *_, last = path.split('.')
    slip, *rest = (path[len(place) + 1 :] if place else path).split('.')
    at_place = difflib.get_close_matches(slip, known, 1, 0.75)
    if at_place:
        return '.'.join([*filter(None, [place]), at_place[0], *rest])
    places = [f'{part}.{key}' for part, keys, _ in _parts(cfg) for key in sorted(keys)]
    places = [each for each in places if not each.endswith('.type')]
    places.sort(
        key=lambda each: [each.count('.'), *(not each.startswith(first) for first in _ORDER)]
    )
    for each in places:
        if each.endswith(f'.{path}'):
            return each
    for matches in ([last], difflib.get_close_matches(last, _last_parts(places), 1, 0.75)):
        for each in places:
            if each.rsplit('.', 1)[-1] in matches:
                return each
    return None


def _last_parts(places: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(each.rsplit('.', 1)[-1] for each in places))


def _parts(node: Any, place: str = '') -> Iterator[tuple[str, frozenset[str], Mapping]]:
    """The parts of a config whose keys are known: place, keys, and the part itself."""
    if isinstance(node, (Mapping, Config)):
        kind = node.get('type') if place else None
        known = PART_KEYS.get(place) if kind is None or place == _CLIP else _taken_by(kind)
        if known is not None and place.split('.')[0] != 'per_data':
            yield place, known, node
        for key, value in node.items():
            if not str(key).startswith('_') and key != 'custom_keys':
                yield from _parts(value, f'{place}.{key}' if place else str(key))
    elif isinstance(node, (list, tuple)):
        for number, value in enumerate(node):
            yield from _parts(value, f'{place}.{number}')


def _taken_by(kind: Any) -> frozenset[str] | None:
    """Keys that a part of a type takes; None for any, or where the type is unknown."""
    kinds = [(kind, '')] if isinstance(kind, type) else _registered_as(str(kind).rsplit('.', 1)[-1])
    taken = {'type'}
    for component, registry in kinds:
        names = arguments_of(component)
        if names is None:
            return None
        taken |= names | _BESIDE.get(registry, set())
    return frozenset(taken) if kinds else None


@cache
def _registered_as(name: str) -> list[tuple[Any, str]]:
    """Everything that is registered under a name, with the registry."""
    import mmaction.registry
    import mmengine.registry

    matches = []
    for room in (mmaction.registry, mmengine.registry):
        for kind in _REGISTRIES:
            registry = getattr(room, kind)
            registry.import_from_location()
            if name in registry.module_dict:
                matches.append((registry.module_dict[name], kind))
    return matches


# All whose parts stand in configs. (Others of mmaction2 name places that cannot be imported.)
_REGISTRIES = _names(
    'DATA_SAMPLERS DATASETS HOOKS LOG_PROCESSORS LOOPS METRICS MODEL_WRAPPERS MODELS '
    'OPTIM_WRAPPER_CONSTRUCTORS OPTIM_WRAPPERS OPTIMIZERS PARAM_SCHEDULERS TRANSFORMS VISBACKENDS '
    'VISUALIZERS'
)


@cache
def arguments_of(component: Any) -> frozenset[str] | None:
    """Names of the arguments that a class or function takes; None where it takes any.

    What ``**kwargs`` hands on to the parent, and nowhere else, are the parent's arguments.
    """
    if not isinstance(component, type):
        owners = [component]
    elif component.__module__.startswith('torch.nn'):  # norm_cfg and its like have more in them
        return None
    else:
        owners = [vars(each)['__init__'] for each in component.__mro__ if '__init__' in vars(each)]
    names: set[str] = set()
    for function in owners:
        if function is object.__init__:
            return frozenset(names - {'self'})
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # written in C
            return None
        names |= {each.name for each in parameters if each.kind not in _VARIADIC}
        if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
            return frozenset(names - {'self'})
        if not isinstance(component, type) or not _hands_on(function):
            return None
    return None


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _hands_on(function: Any) -> bool:
    """Whether a constructor gives its ``**kwargs`` to its parent's as they are."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return False
    return bool(re.search(r'super\(.*?\)\.__init__\(.*\*\*kwargs', source, re.DOTALL)) and not (
        re.search(r'kwargs\s*(\.|\[)|in kwargs', source)
    )
