"""The ``evaluation`` part of a config as a plan: data, lists, views and protocols, all checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch.utils.data import Dataset

from ..datasets.guarded import build_dataset
from ..datasets.views import View, test_pipeline
from ..evaluation import get_protocol
from ..evaluation.array_checks import check_labels
from ..evaluation.registry import Protocol
from .data import settle_data
from .names import find_config, read_config

ROLES = ('gallery', 'query')

#: Settings of the ``evaluation`` part.
EVALUATION_KEYS = frozenset(
    {
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
)


@dataclass(frozen=True)
class EvaluationPlan:
    """What an evaluation is to do, all of it checked.

    Args:
        dataset: What records call the data.
        protocols: ``(protocol, options, feature level)`` each.
        loaders: Configs of the data loaders, by role (:data:`ROLES`).
        view_options: Options of :func:`test_pipeline` by role; None where the dataset has a
            pipeline of its own.
        datasets: Built, by role; without a pipeline until :meth:`shown_to`.
        warnings: What is no error, and a reader of the figures must know.
        baselines: Put trivial features and untrained encoders beside the encoders.
        window_batch: Windows per forward pass.
        max_bad_share: Share of unreadable videos above which it stops.
    """

    dataset: str
    protocols: list[tuple[Protocol, dict[str, Any], str]]
    loaders: dict[str, dict]
    view_options: dict[str, dict | None]
    datasets: dict[str, Any]
    warnings: list[str]
    baselines: bool = True
    window_batch: int = 16
    max_bad_share: float = 0.05

    @property
    def needs(self) -> list[tuple[str, str]]:
        """``(feature level, clips)`` that the protocols ask for, each once."""
        return list(dict.fromkeys((level, each.clips) for each, _, level in self.protocols))

    @property
    def modalities(self) -> list[str]:
        """Of gallery and query: ``'RGB'`` or ``'Flow'``."""
        return [self.loaders[role]['dataset'].get('modality', 'RGB') for role in ROLES]

    @property
    def is_one_view(self) -> bool:
        """Whether gallery and query differ in their lists alone."""
        gallery, query = (
            {
                key: value
                for key, value in self.loaders[role]['dataset'].items()
                if key != 'ann_file'
            }
            for role in ROLES
        )
        return gallery == query

    def shown_to(self, viewers: Sequence[tuple[str, View]]) -> EvaluationPlan:
        """The plan for some encoders: datasets without a pipeline get that of their training.

        Args:
            viewers: Names and views of the encoders.

        Raises:
            ValueError: They were trained on different frames, or a protocol is defined on another
                number of views.
        """
        loaders, datasets = dict(self.loaders), dict(self.datasets)
        for role, options in self.view_options.items():
            if options is None:
                continue
            pipelines = [test_pipeline(view, **options) for _, view in viewers]
            for (name, _), pipeline in zip(viewers, pipelines):
                if pipeline != pipelines[0]:
                    raise ValueError(
                        f'{viewers[0][0]} and {name} were trained on different '
                        'frames, so one evaluation cannot show both the same: evaluate them '
                        f'one by one, or give evaluation.{role}.dataset a pipeline'
                    )
            dataset = dict(loaders[role]['dataset'], pipeline=pipelines[0])
            loaders[role] = dict(loaders[role], dataset=dataset)
            datasets[role] = build_dataset(dataset)
        num_views = {role: datasets[role].view.num_views for role in ROLES}
        for protocol, _, _ in self.protocols:
            protocol.check_views(num_views)
        judged_on = ' and '.join(dict.fromkeys(self.modalities))
        warnings = [
            f'{name} was trained on {view.modality} and is judged on {judged_on}'
            for name, view in viewers
            if view.modality != judged_on
        ]
        return replace(
            self, loaders=loaders, datasets=datasets, warnings=[*self.warnings, *warnings]
        )


def evaluation_plans(cfgs: Sequence[str | Path | Config]) -> list[EvaluationPlan]:
    """The plans of configs that differ in their lists alone, see :func:`evaluation_plan`."""
    return [evaluation_plan(cfg) for cfg in cfgs]


def evaluation_plan(cfg: str | Path | Config) -> EvaluationPlan:
    """What the ``evaluation`` part of a config asks for; no video is read.

    Raises:
        FileNotFoundError: No such config or list.
        ValueError: Something is missing, unknown or contradicts itself, or labels are wrong.
    """
    settings = evaluation_settings(cfg)
    loaders = {role: settings[role] for role in ROLES}
    datasets = {
        role: build_dataset({'pipeline': [], **loader['dataset']})
        for role, loader in loaders.items()
    }
    return EvaluationPlan(
        dataset=settings['dataset'],
        protocols=[protocol_of(each, settings.get('feature')) for each in settings['protocol']],
        loaders=loaders,
        view_options={
            role: None
            if loader['own_pipeline']
            else {**settings.get('views', {}), **loader.get('views', {})}
            for role, loader in loaders.items()
        },
        datasets=datasets,
        warnings=check_role_lists(datasets),
        **{
            key: settings[key]
            for key in ('baselines', 'window_batch', 'max_bad_share')
            if key in settings
        },
    )


def evaluation_settings(cfg: str | Path | Config) -> dict[str, Any]:
    """The ``evaluation`` part of a config, checked and with ``protocol`` as a list.

    Each role also says, as ``own_pipeline``, whether its data set has a pipeline.

    Raises:
        FileNotFoundError: No such config.
        ValueError: Something is missing, unknown or contradicts itself.
    """
    if isinstance(cfg, (str, Path)):
        cfg = read_config(find_config(cfg))
        settle_data(cfg)
    settings = dict(cfg.get('evaluation') or {})
    missing = {'dataset', 'gallery', 'query', 'protocol'} - set(settings)
    if missing:
        raise ValueError(
            f'the config lacks evaluation.{", evaluation.".join(sorted(missing))}: an '
            'evaluation names its dataset, gallery, query and protocol, see '
            'configs/evaluation/retrieval.py'
        )
    unknown = set(settings) - EVALUATION_KEYS
    if unknown:
        raise ValueError(
            f'evaluation has no setting {", ".join(sorted(unknown))}; it has '
            f'{", ".join(sorted(EVALUATION_KEYS))}'
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
    num_classes = len(set(gallery_labels))
    for role, count in counts.items():
        if count is not None and count != num_classes:
            raise ValueError(
                f'the class count differs from the list: evaluation.{role}.dataset has num_classes='
                f'{count} but the gallery list holds videos of {num_classes} classes; '
                f'set num_classes={num_classes}, leave it out, or complete the list'
            )
    both = len(set(gallery) & set(query))
    return [
        f'{both} of {len(query)} query videos are in the gallery list as well: they find themselves'
    ] * bool(both)


def infos_of(dataset: Any, key: str = 'label') -> tuple[list[str], list]:
    """File names of a dataset's videos, and their labels (or another key)."""
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    default = {'label': lambda info: -1, 'name': lambda info: str(info['filename'])}[key]
    return (
        [str(info['filename']) for info in infos],
        [info[key] if key in info else default(info) for info in infos],
    )
