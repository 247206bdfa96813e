"""Records of a tested classifier, with honest baselines beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import is_main_process

from ..checkpoints import checkpoint_hash
from ..datasets.pipelines import dataset_of
from ..datasets.views import View, test_pipeline, view_of
from ..evaluation import ProtocolOutput, get_protocol
from ..evaluation.baselines import baselines_for, majority_top1
from ..results.records import closeness_warnings, make_record
from ..results.result_files import ClassScores
from ..settings.pretrained import labels_of
from .features import build_dataset, extract_many


def classification_records(
    cfg: Config,
    metric: Any,
    *,
    trained: Config | None,
    subject: str,
    checkpoint: str | None,
    meta: dict,
    unreadable: list[tuple[str, str]],
    seed: int,
    baselines: bool = True,
) -> list[dict]:
    """Records of a tested classifier, trivial baselines first.

    Args:
        cfg: Config with ``classification = dict(protocol=NAME, dataset=NAME, baselines=True)``.
        metric: Evaluated metric with ``output()``, ``labels`` and ``names``, such as
            :class:`ClassificationMetric`.
        trained: Config inside the checkpoint: what it says of its training goes before ``cfg``.
        subject: What tables call the classifier.
        checkpoint: Its file; None for the untrained network.
        meta: The checkpoint's ``meta``.
        unreadable: ``(name, reason)`` of test videos left out.
        seed: Seed of the baselines' heads, and of the untrained network.
        baselines: Whether to read all videos once more for features that need no network.

    Returns:
        See :func:`mmssl_video.results.records.make_record`; the same in every process.
    """
    settings = cfg.classification
    training = trained or {}
    protocol = (training.get('classification') or {}).get('protocol', settings.protocol)
    if protocol != settings.protocol and is_main_process():
        print(
            f'note: {checkpoint} was trained as {protocol!r}, not as {settings.protocol!r}, '
            'and is reported as such'
        )
    gallery = dict(dataset_of(cfg.train_dataloader))
    gallery['ann_file'] = dataset_of(training.get('train_dataloader')).get(
        'ann_file', gallery['ann_file']
    )
    query = dataset_of(cfg.test_dataloader)
    pretrained = training.get('pretrained') or {}
    output, view = metric.output(), view_of(query)
    common = dict(
        dataset=settings.dataset,
        num_queries=len(metric.labels),
        num_classes=metric.probabilities.shape[1],
        split=dict(gallery=Path(gallery['ann_file']).name, query=Path(query['ann_file']).name),
    )
    own = dict(
        protocol=protocol,
        version=1,
        subject=subject,
        kind='encoder',
        checkpoint=checkpoint,
        checkpoint_hash=None if checkpoint is None else checkpoint_hash(checkpoint),
        seed=(training.get('randomness') or {}).get('seed', seed),
        bn_batches=0,
        views=view.sentence,
        options=dict(
            pretrained=pretrained.get('checkpoint'),
            pretrained_hash=pretrained.get('hash'),
            epoch=meta.get('epoch'),
        ),
    )
    if not (cfg.model.get('data_preprocessor') or {}).get('normalize_test', True):
        own['options']['normalize_test'] = False  # a fault of a released test, asked for
    records, count = [], None
    if baselines:
        records, count = _baseline_records(
            cfg, view, gallery, query, own, common, seed, output.chance
        )
    elif os.path.isfile(gallery['ann_file']):
        count = len(labels_of(gallery)[0])
    records.append(
        make_record(
            output,
            num_gallery=count,
            **own,
            **common,
            unreadable=dict(gallery=[], query=unreadable),
        )
    )
    records[-1]['warnings'] += closeness_warnings(records).get(subject, [])
    return records


def class_scores(metric: Any, record: dict) -> ClassScores:
    """What ``--dump`` writes of a tested classifier; its record is kept as ``info``."""
    return ClassScores(metric.names, metric.labels, metric.probabilities.astype(np.float32), record)


def _baseline_records(cfg, view: View, gallery, query, own, common, seed, chance):
    """Majority class, and a linear probe on trivial features of the centre window of each video."""
    if not os.path.isfile(gallery['ann_file']):
        raise FileNotFoundError(
            f'the training list {gallery["ann_file"]!r} is not there, and baselines need it: set '
            'train_dataloader.dataset.ann_file, or leave them out with --no-baselines'
        )
    # one small view of the frames that the test looks at: baselines are maps of 16 x 16
    pipeline = test_pipeline(view.update(size=64, blocks=None), mode='center')
    makers = baselines_for(view.modality)
    sets = {
        role: extract_many(
            [],
            makers,
            build_dataset(dict(config, pipeline=pipeline)),
            what=f'{role} (baselines)',
            batch_size=8,
            num_workers=cfg.test_dataloader.get('num_workers', 0),
            max_bad_share=0.05,
        )
        for role, config in (('gallery', gallery), ('query', query))
    }
    labels = [sets[role][0].labels for role in ('gallery', 'query')]
    baseline = dict(own, kind='baseline', checkpoint=None, checkpoint_hash=None, seed=seed)
    common = dict(
        common,
        num_gallery=len(labels[0]),
        num_queries=len(labels[1]),
        unreadable={role: sets[role][0].unreadable for role in sets},
    )
    records = [
        make_record(
            ProtocolOutput(dict(top1=majority_top1(*labels)), dict(top1=chance['top1'])),
            **dict(baseline, subject='majority class', options={}),
            **common,
        )
    ]
    probe = get_protocol('linear/cached')
    for name, column, other in zip(makers, sets['gallery'], sets['query']):
        output = probe(column.features, labels[0], other.features, labels[1], seed=seed)
        records.append(
            make_record(
                output,
                **dict(
                    baseline,
                    subject=name,
                    protocol=probe.name,
                    version=probe.version,
                    options={},
                    views=view_of(pipeline).sentence,
                ),
                **common,
            )
        )
    return records, len(labels[0])
