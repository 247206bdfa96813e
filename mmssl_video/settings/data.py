"""A data set combined with a protocol or a pre-training: ``--data NAME|CONFIG|DIR``.

A protocol (``configs/evaluation``) says how to judge and names no videos; a data set
(``configs/data``) names videos and says nothing else. A data set is a config with

``data = dict(key='ucf101', name='UCF101', train=…, test=…, labelled=…, classes=…, flow=…,
views=…, settings=…)``

- ``train``, ``test``: settings of a dataset, ``dict(ann_file=…, data_prefix=dict(video=…))`` and,
  for lists with the times of failures, ``type='OopsDataset'``. What a pre-training, a classifier or
  the gallery of a probe learns from is ``train``; what is validated, tested and asked is ``test``;
- ``labelled``: in the place of ``train`` for whatever needs labels, where these are fewer;
- ``classes``: file with a class name a line, or the names;
- ``flow``: ``dict(train=…, test=…, labelled=…)``, the same lists as optical flow;
- ``views``: how windows are drawn of these videos unless the protocol says it, as
  ``dict(stride=2)`` for short ones (cached probes only);
- ``key``, ``name``: its short name in folders of results, and its name in records;
- ``settings``: of the ``per_data`` of a protocol, which set goes with it; its ``key`` by default.

In a config the data set may stand as ``data = 'ucf101'`` (or a path) with ``flow = True`` for its
flow, and ``subset = '10percent_seed0'`` for a part of the training list.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from ..datasets.flow_format import MEAN, STD, SUFFIXES
from ..datasets.pipelines import dataset_of
from ..datasets.preparation.output import MARK
from ..datasets.transforms.flow_input import for_flow
from .names import config_dir, find_config, read_config

ROLES = ('train', 'labelled', 'test')
_KEYS = {*ROLES, 'key', 'name', 'classes', 'flow', 'views', 'settings'}
_LOADERS = dict(train_dataloader='train', val_dataloader='test', test_dataloader='test')
# What a data set says of a dataset; all else is the protocol's.
_OF_THE_DATA = ('ann_file', 'data_prefix', 'modality', 'suffix', 'classes', 'num_classes')
_WITH_TIMES = 'OopsDataset'
_WITH_LISTS = ('VideoListDataset', _WITH_TIMES)
# Lists that a folder may hold, the first that is there counts.
_TRAIN_LISTS = ('train.txt', 'train_split1.txt')
_TEST_LISTS = ('test.txt', 'val.txt', 'test_split1.txt')
# What mmssl prepare calls a data set, where its config has another name.
_PREPARED_AS = dict(kinetics400='k400')


def shipped_data() -> list[str]:
    """Names of the data sets that have a config, as ``--data`` takes them."""
    return sorted(path.stem for path in (config_dir() / 'data').glob('*.py'))


def load_data(data: str | Path | Mapping) -> ConfigDict:
    """Read a data set.

    Args:
        data: Name of a shipped data config, path of one, or a folder with lists: one that
            ``mmssl prepare`` wrote, or any with ``train.txt``, ``test.txt`` (or
            ``val.txt``; or ``train_split1.txt``, ``test_split1.txt``), videos in the folder itself,
            in ``videos`` or in ``videos_train`` and ``videos_val``, and optionally
            ``classes.txt`` and flow in ``flow`` or ``flow_train`` and ``flow_val``. Or what such a
            config holds, as a dict.

    Returns:
        The data set, with ``key``, ``name`` and ``settings`` always set; see this module.

    Raises:
        FileNotFoundError: There is no such data set, config or list.
        ValueError: It is no data set.
    """
    if isinstance(data, Mapping):
        return _checked(data, 'data', 'data')
    name = str(data)
    if name in shipped_data():
        path = config_dir() / 'data' / f'{name}.py'
    elif Path(name).expanduser().is_dir():
        return _read_folder(Path(name).expanduser())
    elif name.endswith('.py'):
        path = find_config(name)
    else:
        raise FileNotFoundError(
            f'there is no data set {name!r}: name one of {", ".join(shipped_data())}, a folder '
            'that mmssl prepare wrote, or a config with data = dict(train=…, test=…)'
        )
    contents = read_config(path).get('data')
    if isinstance(contents, str):
        raise ValueError(f'{path} is no data set but takes {contents!r}: name that one')
    return _checked(contents or {}, str(path), path.stem)


def apply_data(cfg: Config, data: str | Path | Mapping, flow: bool = False) -> None:
    """Combine a config with a data set: a protocol without one, or any in the place of its own.

    Sets lists, folders, classes, modality and suffix of all data loaders, of ``evaluation`` and of
    ``surprise``; the name in records; and what ``cfg.per_data`` says for this data set. With
    ``flow`` (or where the config is one of flow already) the lists are those of flow, pipelines
    lose their colours and flip as flow must, and the model's mean and std are those of flow.

    Args:
        cfg: Config of a protocol or a pre-training; changed.
        data: See :func:`load_data`.
        flow: Whether to read the optical flow of the videos.

    Raises:
        FileNotFoundError: There is no such data set.
        ValueError: It is none, has no flow, or has times of failures where classes are needed.
    """
    chosen = load_data(data)
    flow = flow or _is_flow(cfg)
    lists = _lists(chosen, flow)
    _check_labels(cfg, chosen, lists)
    settings = (cfg.pop('per_data', None) or {}).get(chosen.settings)
    if settings:
        file = Path(cfg.filename or '.').resolve()
        if config_dir() not in file.parents:
            print_log(
                f'{", ".join(settings)} are set for {chosen.name} by per_data.{chosen.settings}, '
                f'also where {_name(cfg)} says otherwise: change them there, or with --cfg-options',
                level=logging.WARNING,
            )
        cfg.merge_from_dict(settings)
    judged = any(key in cfg for key in ('classification', 'unintentional'))
    for loader, role in _LOADERS.items():
        dataset = dataset_of(cfg.get(loader))
        if dataset:
            learns = role == 'train' and judged
            _set_lists(dataset, lists['labelled' if learns else role])
            if learns:
                _take_subset(cfg, dataset)
            if 'classification' in cfg and chosen.get('classes') is not None:
                dataset['classes'] = chosen.classes
    name = chosen.name + ', flow' * flow
    if 'evaluation' in cfg:
        for part, role in (('gallery', 'labelled'), ('query', 'test')):
            dataset = dataset_of(cfg.evaluation[part])
            _set_lists(dataset, lists[role])
            if chosen.get('classes') is not None:
                dataset['classes'] = chosen.classes
        _take_subset(cfg, dataset_of(cfg.evaluation.gallery))
        own_views = 'pipeline' not in cfg.evaluation.gallery.dataset
        if chosen.get('views') and own_views:
            cfg.evaluation.views = {**chosen.views, **cfg.evaluation.get('views', {})}
    if 'surprise' in cfg:
        _set_lists(cfg.surprise.videos, lists['test'])
    for part in ('evaluation', 'classification', 'unintentional', 'surprise'):
        if part in cfg:
            cfg[part].dataset = name
    if flow:
        _use_flow(cfg)
    cfg.data, cfg.flow = chosen, flow


def settle_data(
    cfg: Config,
    data: str | Path | Mapping | None = None,
    flow: bool = False,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Give a config that was just read its data set: that of the command line, or its own.

    ``data`` wins over the config's own. A config's ``data = 'ucf101'`` (a text) replaces what it
    inherits; a ``data = dict(…)``, as data configs have it, only serves a protocol that names no
    lists yet. Afterwards every dataset has a list.

    Args:
        cfg: Config; changed.
        data: What ``--data`` says.
        flow: What ``--flow`` says.
        options: ``--cfg-options``; of these only ``data``, ``flow`` and ``subset`` count here. All
            of them are to be merged afterwards, so that they win over the data set.

    Raises:
        ValueError: A protocol is left without a data set; and see :func:`apply_data`.
        FileNotFoundError: See :func:`apply_data`.
    """
    early = {key: value for key, value in (options or {}).items() if key in _EARLY}
    cfg.merge_from_dict(early)
    own = cfg.get('data')
    if data is None and (isinstance(own, str) or (own is not None and _lacks_lists(cfg))):
        data = own
    flow = bool(flow or cfg.get('flow'))
    if data is not None:
        stem = Path(cfg.filename or 'config').stem
        apply_data(cfg, data, flow)
        if cfg.get('work_dir') is None:
            cfg.work_dir = str(
                Path('work_dirs', '_'.join([stem, *['flow'] * cfg.flow, cfg.data.key]))
            )
    elif _lacks_lists(cfg):
        raise ValueError(
            f'{cfg.filename or "the config"} says how to judge and names no videos: add --data '
            f'with one of {", ".join(shipped_data())}, a folder that mmssl prepare wrote, '
            'or a config of your own'
        )
    elif flow and not _is_flow(cfg):
        raise ValueError(
            f'{cfg.filename or "the config"} has lists of its own, of which the flow is not known: '
            'add --data'
        )
    for part in ('classification', 'unintentional', 'surprise'):
        if part in cfg:  # lists of the config's own, without a name
            cfg[part].setdefault('dataset', str(_datasets(cfg)[-1].get('ann_file')))


_EARLY = ('data', 'flow', 'subset')


# ---------------------------------------------------------------- reading


def _checked(data, where, stem):
    """A data set with its defaults; ``where`` it is from, for messages."""
    unknown = set(data) - _KEYS
    if unknown or not ('train' in data and 'test' in data):
        raise ValueError(
            f'{where} is no data set: '
            + (
                f'it has no setting {", ".join(sorted(unknown))}'
                if unknown
                else 'it needs data = dict(train=dict(ann_file=…), test=dict(ann_file=…)), as '
                'configs/data/ucf101.py has it'
            )
        )
    data = ConfigDict(copy.deepcopy(dict(data)))
    for part, lists in (('', data), ('flow.', data.get('flow') or {})):
        for role in ROLES:
            if role in lists and 'ann_file' not in lists[role]:
                raise ValueError(f'{where}: data.{part}{role} has no ann_file')
    data.setdefault('key', stem)
    data.setdefault('name', data.key)
    data.setdefault('settings', data.key)
    return data


def _read_folder(folder):
    """The data set in a folder of lists and videos."""
    mark = folder / MARK
    if mark.is_file():
        dataset = json.loads(mark.read_text(encoding='utf-8'))['dataset']
        shipped = _PREPARED_AS.get(dataset, dataset)
        if shipped in shipped_data():
            return _moved(load_data(shipped), f'data/{dataset}/', folder)
    train, test = (
        next((folder / name for name in names if (folder / name).is_file()), None)
        for names in (_TRAIN_LISTS, _TEST_LISTS)
    )
    if train is None or test is None:
        raise FileNotFoundError(
            f'{folder} holds no {"train.txt" if train is None else "test.txt"}: write its lists '
            f'with mmssl prepare folder {folder} data/{folder.resolve().name}, and give '
            'that folder'
        )
    lists = dict(train=str(train), test=str(test))
    data = dict(
        key=folder.resolve().name,
        name=folder.resolve().name,
        settings=None,
        **_in_folder(lists, folder, 'videos', at_least=folder),
    )
    if (folder / 'classes.txt').is_file():
        data['classes'] = str(folder / 'classes.txt')
    flow = _in_folder(lists, folder, 'flow', modality='Flow')
    if flow:
        packed = any(Path(flow['train']['data_prefix']['video']).rglob('*' + SUFFIXES['mp4']))
        for part in flow.values():
            part['suffix'] = SUFFIXES['mp4' if packed else 'jpeg']
        data['flow'] = flow
    return _checked(data, str(folder), folder.name)


def _in_folder(lists, folder, name, at_least=None, **settings):
    """Datasets of both lists, with the folders of their videos or flow; {} if there are none."""
    places = dict.fromkeys(lists, folder / name)
    if not (folder / name).is_dir():
        places = dict(train=folder / f'{name}_train', test=folder / f'{name}_val')
        if not all(place.is_dir() for place in places.values()):
            places = dict.fromkeys(lists, at_least)
    return {
        role: dict(ann_file=path, data_prefix=dict(video=str(places[role])), **settings)
        for role, path in lists.items()
        if places[role] is not None
    }


def _moved(value, before, folder):
    """A data set whose paths begin at another folder."""
    if isinstance(value, dict):
        return type(value)({key: _moved(each, before, folder) for key, each in value.items()})
    if isinstance(value, str) and value.startswith(before):
        return str(folder / value[len(before) :])
    return value


# ---------------------------------------------------------------- combining


def _lists(data, flow):
    """Settings of the dataset of every role."""
    lists = data.get('flow') if flow else data
    if not lists:
        raise ValueError(
            f'{data.name} has no flow: say where it lies with flow=dict(train=…, test=…) in its '
            'config (mmssl flow makes it)'
        )
    chosen = {role: lists[role] for role in ROLES if role in lists}
    return dict(chosen, labelled=chosen.get('labelled', chosen['train']))


def _check_labels(cfg, data, lists):
    """See whether lists have the labels that the config needs: classes, or times of failures."""
    has_times = lists['labelled'].get('type') == _WITH_TIMES
    if any(part in cfg for part in ('unintentional', 'surprise')) and not has_times:
        raise ValueError(
            f'{data.name} does not say when an action fails, which {_name(cfg)} needs: give a data '
            f"set whose lists have type='{_WITH_TIMES}', such as oops or oops_demo"
        )
    if any(part in cfg for part in ('classification', 'evaluation')) and has_times:
        raise ValueError(
            f'{data.name} has times of failures and no classes, which {_name(cfg)} needs'
        )


def _name(cfg):
    return Path(cfg.filename or 'the config').name


def _datasets(cfg):
    """Configs of all datasets, without their wrappers."""
    evaluation = cfg.get('evaluation') or {}
    loaders = [cfg.get(loader) for loader in _LOADERS]
    loaders += [evaluation.get(part) for part in ('gallery', 'query')]
    loaders.append(dict(dataset=(cfg.get('surprise') or {}).get('videos')))
    return [dataset for dataset in map(dataset_of, loaders) if dataset]


def _lacks_lists(cfg):
    return any(
        str(dataset.get('type')).split('.')[-1] in _WITH_LISTS and 'ann_file' not in dataset
        for dataset in _datasets(cfg)
    )


def _is_flow(cfg):
    return any(dataset.get('modality') == 'Flow' for dataset in _datasets(cfg))


def _set_lists(dataset, part):
    for key in _OF_THE_DATA:
        dataset.pop(key, None)
    dataset.update(copy.deepcopy(part))


def _take_subset(cfg, dataset):
    """Of the training list the part ``cfg.subset``, which make_subsets.py wrote beside it."""
    if cfg.get('subset'):
        path = Path(dataset.ann_file)
        dataset.ann_file = str(path.with_name(f'{path.stem}_{cfg.subset}{path.suffix}'))


def _use_flow(cfg):
    for loader in _LOADERS:
        dataset = dataset_of(cfg.get(loader))
        if dataset.get('pipeline'):
            dataset['pipeline'] = for_flow(dataset['pipeline'])
    preprocessor = (cfg.get('model') or {}).get('data_preprocessor')
    if preprocessor and 'mean' in preprocessor:
        preprocessor.mean, preprocessor.std = list(MEAN), list(STD)
