"""The ``evaluation`` part of a config, checked: data, lists, views and protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch.utils.data import Dataset

from ..evaluation import get_protocol
from ..evaluation.array_checks import check_labels
from ..evaluation.registry import Protocol
from .data import settle_data
from .names import find_config

ROLES = ('gallery', 'query')

_KEYS = {
    'dataset',
    'gallery',
    'query',
    'protocol',
    'views',
    'feature',
    'baselines',
    'max_bad_share',
    'window_batch',
}


def evaluation_settings(cfg: str | Path | Config) -> dict[str, Any]:
    """The ``evaluation`` part of a config, checked and with ``protocol`` as a list.

    Each role also says, as ``own_pipeline``, whether its data set has a pipeline.

    Raises:
        FileNotFoundError: No such config.
        ValueError: Something is missing, unknown or contradicts itself.
    """
    if isinstance(cfg, (str, Path)):
        cfg = Config.fromfile(find_config(cfg))
        settle_data(cfg)
    settings = dict(cfg.get('evaluation') or {})
    missing = {'dataset', 'gallery', 'query', 'protocol'} - set(settings)
    if missing:
        raise ValueError(
            f'the config lacks evaluation.{", evaluation.".join(sorted(missing))}: an '
            'evaluation names its dataset, gallery, query and protocol, see '
            'configs/evaluation/retrieval.py'
        )
    unknown = set(settings) - _KEYS
    if unknown:
        raise ValueError(
            f'evaluation has no setting {", ".join(sorted(unknown))}; it has '
            f'{", ".join(sorted(_KEYS))}'
        )
    for role in ROLES:
        loader = settings[role] = dict(settings[role])
        if 'dataset' not in loader:
            raise ValueError(f'evaluation.{role} must be a data loader config with a dataset')
        loader['own_pipeline'] = 'pipeline' in loader['dataset']
        if loader['own_pipeline'] and (settings.get('views') or loader.get('views')):
            raise ValueError(
                f'evaluation.{role}.dataset has a pipeline, which says the views '
                'itself: leave views or the pipeline out'
            )
    if not isinstance(settings['protocol'], (list, tuple)):
        settings['protocol'] = [settings['protocol']]
    for protocol in settings['protocol']:
        if 'type' not in protocol:
            raise ValueError(
                "evaluation.protocol needs a type, such as protocol=dict(type='knn/cosine', k=20)"
            )
    return settings


def protocol_of(
    config: dict[str, Any], default_feature: str | None = None
) -> tuple[Protocol, dict[str, Any], str]:
    """A protocol of a config, its options and the feature level that it runs on.

    Raises:
        ValueError: There is no such protocol, option or level.
    """
    options = dict(config)
    protocol, feature = get_protocol(options.pop('type')), options.pop('feature', None)
    protocol.check_options(options)
    return protocol, options, protocol.check_feature(feature, default_feature or 'context')


def check_role_lists(datasets: dict[str, Dataset]) -> list[str]:
    """Say what is wrong with the lists of gallery and query before any video is decoded.

    Returns:
        Warnings: what is no error, and a reader of the figures must know.

    Raises:
        ValueError: Labels are missing, or the class counts differ.
    """
    (gallery, gallery_labels), (query, query_labels) = (infos_of(datasets[role]) for role in ROLES)
    check_labels(gallery_labels, query_labels)
    counts = {role: getattr(datasets[role], 'num_classes', None) for role in ROLES}
    found = len(set(gallery_labels))
    for role, count in counts.items():
        if count is not None and count != found:
            raise ValueError(
                f'the class count differs from the list: evaluation.{role}.dataset has num_classes='
                f'{count} but the gallery list holds videos of {found} classes; set num_classes='
                f'{found}, leave it out, or complete the list'
            )
    both = len(set(gallery) & set(query))
    return [
        f'{both} of {len(query)} query videos are in the gallery list as well: they find themselves'
    ] * bool(both)


def infos_of(dataset: Dataset, key: str = 'label') -> tuple[list[str], list]:
    """File names of a dataset's videos, and their labels (or another key)."""
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    default = {'label': lambda info: -1, 'name': lambda info: str(info['filename'])}[key]
    return (
        [str(info['filename']) for info in infos],
        [info[key] if key in info else default(info) for info in infos],
    )


def same_views(settings: dict[str, Any]) -> bool:
    """Whether gallery and query differ in their lists alone."""
    return {k: v for k, v in settings['gallery']['dataset'].items() if k != 'ann_file'} == {
        k: v for k, v in settings['query']['dataset'].items() if k != 'ann_file'
    }
