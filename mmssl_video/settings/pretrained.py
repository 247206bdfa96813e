"""Before a classifier trains: its encoder comes from a checkpoint, its classes from the lists."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import init_default_scope

from ..checkpoints import (
    CheckpointError,
    checkpoint_hash,
    config_from_checkpoint,
    is_web_address,
)
from ..datasets.pipelines import dataset_of
from ..datasets.views import view_of, with_blocks
from .kinds import kind_of

#: What makes an encoder, in the config of a recognizer, and what its preprocessor must share.
_ENCODER = ('backbone', 'neck', 'predictor', 'feature_map')

_PREPROCESSING = ('mean', 'std', 'to_rgb')


def check_pretrained(cfg: Config) -> None:
    """See that a config which needs pre-trained weights got them.

    ``load_from = 'random'`` asks for the encoder as initialised, a baseline. What was asked for is
    kept as ``cfg.pretrained = dict(checkpoint, hash)``, so that a checkpoint of the run tells it.

    Raises:
        ValueError: ``load_from`` is still ``'required'``, or empty where the protocol needs it.
    """
    source = cfg.get('load_from')
    protocol = (cfg.get('classification') or {}).get('protocol', 'scratch')
    if source == 'required' or (not source and protocol != 'scratch'):
        raise ValueError(
            f'{Path(cfg.filename or "this config").name} starts from a pre-trained encoder: name '
            'its checkpoint with --pretrained CKPT (or the word random for an encoder as '
            'initialised; a scratch_ config trains the whole network without one)'
        )
    if source == 'random':
        cfg.load_from = None
    if source and kind_of(cfg).is_trained:
        has_file = os.path.isfile(source) or is_web_address(source)
        cfg.pretrained = dict(
            checkpoint=str(source), hash=checkpoint_hash(source) if has_file else None
        )


def use_checkpoint_encoder(
    cfg: Config, contents: dict, source: str, options: dict | None = None
) -> None:
    """Take the encoder's architecture from the config inside a checkpoint, read as data.

    Args:
        cfg: Config with a classifier as its model; changed.
        contents: The checkpoint.
        source: How messages name it.
        options: Settings, by dotted name, that the user changed: those of the model win.

    Raises:
        CheckpointError: The checkpoint's encoder is of another kind than the classifier's.
    """
    if not (contents.get('meta') or {}).get('cfg'):
        print_log(
            f'{source} does not say what encoder it holds: the one in the config is built, '
            'and the weights must fit it',
            'current',
            logging.WARNING,
        )
        return
    trained = config_from_checkpoint(contents, source)
    model = trained.get('model') or {}
    for part in ('backbone', 'neck'):
        if part in cfg.model and part not in model:
            raise CheckpointError(
                f'{source} holds a {model.get("type")} without a {part}, which {cfg.model.type} '
                'needs: '
                + (
                    'take a config for clip encoders, such as finetune_fgkvmem'
                    if part == 'neck'
                    else 'it is no checkpoint of a video encoder'
                )
            )
    for key in _ENCODER:
        if key in model and (key in cfg.model or key == 'feature_map' and 'neck' in cfg.model):
            cfg.model[key] = copy.deepcopy(model[key])
    _without_downloads(cfg.model.backbone)
    cfg.merge_from_dict(
        {
            f'model.{key}': value
            for key, value in getattr(MODELS.get(cfg.model.type), 'ENCODER_SETTINGS', {}).items()
        }
    )
    if cfg.model.backbone.get('track_running_stats') is False:
        _track_statistics(cfg.model, source)
    preprocessor = model.get('data_preprocessor') or {}
    cfg.model.setdefault('data_preprocessor', dict(type='ClassifierPreprocessor')).update(
        {key: preprocessor[key] for key in _PREPROCESSING if key in preprocessor}
    )
    cfg.merge_from_dict(
        {key: value for key, value in (options or {}).items() if key.startswith('model.')}
    )
    _compare_views(trained, cfg, source)


def _compare_views(trained, cfg, source):
    """Say where the classifier looks at other frames than the encoder was trained on."""
    now, before = view_of(cfg), view_of(trained)
    if now.modality != before.modality:
        print_log(
            f'{source} was trained on {before.modality}, and is trained on {now.modality} now',
            'current',
            logging.WARNING,
        )
    # where the number of blocks was chosen, what counts is the frames of each
    frames = 'block_frames' if cfg.get('num_blocks') else 'num_frames'
    differences = now.differences(before, (frames, 'stride', 'size'))
    if not differences:
        return
    said = [
        ', '.join(f'{name.replace("block_", "num_")}={value}' for name, value in values)
        + ' (a block)' * (values[0][0] == 'block_frames')
        for values in (
            [(each.name, each.other) for each in differences],
            [(each.name, each.value) for each in differences],
        )
    ]
    keys = ', '.join(dict.fromkeys(key for each in differences for key in each.keys))
    print_log(
        f'{source} was trained on clips of {said[0]}, and is trained on {said[1]} now: if '
        f'that is not meant, set {keys} with --cfg-options, and the same of val_dataloader '
        'and test_dataloader',
        'current',
        logging.WARNING,
    )


def _without_downloads(backbone):
    """The weights come from the checkpoint, not from where the backbone once began."""
    if 'pretrained' in backbone:
        backbone.pretrained = None
    backbone.pop('init_cfg', None)


def _track_statistics(model, source):
    """Batch norm of a classifier keeps running statistics, also where pre-training had none."""
    if model.get('frozen') and model.get('norm_eval', True):
        raise CheckpointError(
            f'{source} was trained without running BatchNorm statistics, so a frozen encoder has '
            'none to work with: let them follow the new videos with --cfg-options '
            'model.norm_eval=False, or fine-tune'
        )
    model.backbone.track_running_stats = True


def set_num_blocks(cfg: Config) -> None:
    """Let ``cfg.num_blocks``, where it stands, say the blocks of a clip for model and pipelines."""
    count = cfg.get('num_blocks')
    if count is None:
        return
    if not isinstance(count, int) or count < 1:
        raise ValueError(f'num_blocks must be a whole number of at least 1, not {count!r}')
    cfg.model.num_blocks = count
    for name in ('train', 'val', 'test'):
        dataset: Any = dataset_of(cfg.get(f'{name}_dataloader'))
        if dataset.get('pipeline'):
            dataset['pipeline'] = with_blocks(dataset['pipeline'], count)


def check_test_labels(cfg: Config) -> None:
    """Compare the test list with the classes that a trained model tells apart.

    Raises:
        ValueError: The class count differs from the list, or a video has no label.
    """
    labels, where, declared = labels_of(dataset_of(cfg.test_dataloader))
    count = cfg.model.cls_head.num_classes
    if labels.min() < 0:
        raise ValueError(
            f'{int((labels < 0).sum())} of the {len(labels)} videos of {where} have '
            'no label: there is nothing to compare predictions with'
        )
    if (declared or int(labels.max()) + 1) > count or declared not in (None, count):
        raise ValueError(
            f'the class count differs from the list: the model tells {count} classes '
            f'apart and {where} has {declared or int(labels.max()) + 1}; test it on '
            'the data it was trained for'
        )


def set_num_classes(cfg: Config) -> None:
    """Set ``model.cls_head.num_classes`` from the class list, or check the number given.

    The classes are those of the training dataset's ``classes`` or ``num_classes``; without these,
    the labels of its list count from 0 to their largest.

    Raises:
        ValueError: The number differs from the list, a video has no label, or a class of the
            validation or test list has no training video.
    """
    head = cfg.model.cls_head
    sets = {
        name: labels_of(dataset_of(cfg.get(f'{name}_dataloader')))
        for name in ('train', 'val', 'test')
        if cfg.get(f'{name}_dataloader')
    }
    for name, (labels, where, _) in sets.items():
        if labels.min() < 0:
            raise ValueError(
                f'{int((labels < 0).sum())} of the {len(labels)} videos of {where} '
                'have no label: a classifier needs a class for every video'
            )
        absent = np.setdiff1d(labels, sets['train'][0])
        if len(absent):
            raise ValueError(
                f'{len(absent)} of the classes of {where} have no video in {sets["train"][1]} '
                f'(the first is {absent[0]}): set {name}_dataloader.dataset.ann_file and '
                'train_dataloader.dataset.ann_file to lists of the same classes'
            )
    labels, where, declared = sets['train']
    num_classes = declared or int(labels.max()) + 1
    if head.get('num_classes') not in (None, num_classes):
        raise ValueError(
            f'the class count differs from the list: model.cls_head.num_classes is '
            f'{head.num_classes} but {where} has {num_classes} classes; set it to {num_classes}, '
            'or leave it out'
        )
    head.num_classes = num_classes
    blending = (cfg.model.get('data_preprocessor') or {}).get('blending')
    if blending:
        augments = blending.get('augments', blending)
        for augment in augments if isinstance(augments, list) else [augments]:
            augment['num_classes'] = num_classes


def labels_of(config: Mapping[str, Any]) -> tuple[np.ndarray, str, int | None]:
    """Labels of a list, how messages name it, and the number of classes that it declares."""
    init_default_scope('mmaction')
    config = dict(config, pipeline=[])
    if config.get('type') == 'VideoListDataset':
        config.update(check_files=False)  # the Runner builds it again, and looks
    dataset = DATASETS.build(config)
    labels = np.array([dataset.get_data_info(i)['label'] for i in range(len(dataset))])
    return labels, str(config.get('ann_file')), getattr(dataset, 'num_classes', None)
