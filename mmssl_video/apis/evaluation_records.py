"""Judging features by protocols: records of encoders, with what is trivial before them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation import ProtocolOutput
from ..evaluation.baselines import majority_top1
from ..results.evaluation_files import EvaluationResult
from ..results.records import closeness_warnings, make_record
from ..settings.evaluation import ROLES, EvaluationPlan, infos_of
from .encoder import Encoder
from .features import FeatureSet


def subjects_of(
    encoders: Sequence[Encoder], twins: Sequence[Encoder], trivial: Iterable[str], seed: int
) -> list[tuple[int, dict[str, Any]]]:
    """Who is judged, what is trivial before the encoders that it qualifies.

    Args:
        encoders: Encoders to evaluate.
        twins: Untrained ones beside them.
        trivial: Names of baselines without a network.
        seed: Of baselines, and of encoders that have none of their own.

    Returns:
        Place among the features, which are of encoders, twins and trivial baselines in this order,
        and the fields of the records.
    """
    fields = [
        dict(
            subject=encoder.name,
            kind=kind,
            checkpoint=encoder.checkpoint,
            checkpoint_hash=encoder.checkpoint_hash,
            seed=seed if encoder.seed is None else encoder.seed,
            bn_batches=encoder.bn_batches,
        )
        for kind, group in (('encoder', encoders), ('baseline', twins))
        for encoder in group
    ]
    fields += [_baseline(name, seed) for name in trivial]
    subjects, trained, networks = list(enumerate(fields)), len(encoders), len(encoders) + len(twins)
    return [*subjects[networks:], *subjects[trained:networks], *subjects[:trained]]


def judge(
    plan: EvaluationPlan,
    subjects: Sequence[tuple[int, dict[str, Any]]],
    sets: dict[str, list[dict[tuple[str, str], FeatureSet]]],
    seed: int,
    device: str,
    majority: bool = True,
) -> list[EvaluationResult]:
    """Run every protocol on the features of every subject.

    Args:
        plan: Protocols and data.
        subjects: See :func:`subjects_of`.
        sets: Features by role, subject and need.
        seed: Of the protocols' splits.
        device: Where protocols compute.
        majority: Put the majority class before all others.

    Returns:
        By protocol, then in the order of the subjects.
    """
    list_names = {
        role: dict(zip(*infos_of(dataset, 'name'))) for role, dataset in plan.datasets.items()
    }
    sentences = {role: dataset.view.sentence for role, dataset in plan.datasets.items()}
    results = []
    for protocol, options, level in plan.protocols:
        need = (level, protocol.clips)
        columns = [
            (fields, {role: sets[role][i][need] for role in ROLES}) for i, fields in subjects
        ]
        gallery, query = (columns[0][1][role] for role in ROLES)
        common = dict(
            protocol=protocol.name,
            version=protocol.version,
            options=options,
            dataset=plan.dataset,
            views=_views(sentences, protocol.clips),
            feature=level,
            split={role: Path(plan.loaders[role]['dataset']['ann_file']).name for role in ROLES},
            num_gallery=len(gallery.labels),
            num_queries=len(query.labels),
            num_classes=len(np.unique(gallery.labels)),
            unreadable=dict(gallery=gallery.unreadable, query=query.unreadable),
        )
        judged = []
        for fields, pair in columns:
            arrays = [
                array for role in ROLES for array in (pair[role].features, pair[role].row_labels)
            ]
            output = protocol(*arrays, seed=seed, **{'device': device, **options})
            record = make_record(output, **fields, **common)
            judged.append(EvaluationResult(record, output, pair, list_names))
        if majority and 'top1' in judged[0].output.metrics:
            chance = dict(top1=judged[0].output.chance['top1'])
            output = ProtocolOutput(dict(top1=majority_top1(gallery.labels, query.labels)), chance)
            record = make_record(output, **_baseline('majority class', seed), **common)
            judged.insert(0, EvaluationResult(record, output, None, list_names))
        near = closeness_warnings([result.record for result in judged])
        for result in judged:
            result.record['warnings'] = [*plan.warnings, *near.get(result.record['subject'], ())]
        results += judged
    return results


def _baseline(name, seed):
    return dict(
        subject=name,
        kind='baseline',
        checkpoint=None,
        checkpoint_hash=None,
        seed=seed,
        bn_batches=0,
    )


def _views(sentences, clips):
    """What was seen of a video, in words."""
    if clips == 'each':
        sentences = {
            role: sentence.replace('mean over views', 'every view by itself')
            for role, sentence in sentences.items()
        }
    if sentences['gallery'] == sentences['query']:
        return sentences['query']
    return '; '.join(f'{role}: {sentence}' for role, sentence in sentences.items())
