"""The results of an evaluation, and the files from which figures can be looked into or fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .protocol_output import ProtocolOutput
from .result_files import ClassScores, RetrievalFeatures


@dataclass
class EvaluationResult:
    """A record, and what it was made from.

    Args:
        record: See :func:`mmssl_video.results.records.make_record`.
        output: What the protocol gave.
        sets: Features (``FeatureSet``) of gallery and query; None for the majority class.
        list_names: How the lists call their videos, by role and file name.
    """

    record: dict
    output: ProtocolOutput
    sets: dict[str, Any] | None
    list_names: dict[str, dict[str, str]]


def save_results(path: str | Path, results: Sequence[EvaluationResult]) -> list[Path]:
    """Write what the result of each encoder was made from.

    Args:
        path: ``.npz``. Of several protocols or encoders each gets its file, with protocol or
            encoder in its name.
        results: Those of baselines are passed over.

    Returns:
        The files, one for each result of an encoder.
    """
    path, files = Path(path), []
    results = [result for result in results if result.record['kind'] == 'encoder']
    protocols = {result.record['protocol'] for result in results}
    subjects = {result.record['subject'] for result in results}
    for result in results:
        record = result.record
        parts = [record['protocol'].replace('/', '-')] * (len(protocols) > 1)
        parts += [Path(record['subject']).stem] * (len(subjects) > 1)
        files.append(path.with_name('_'.join([path.stem, *parts]) + (path.suffix or '.npz')))
        _contents(result).save(files[-1])
        print(f'{record["protocol"]} of {record["subject"]} is in {files[-1]}')
    return files


def _contents(result):
    (gallery, gallery_names), (query, query_names) = (
        (features, [result.list_names[role][name] for name in features.names])
        for role, features in result.sets.items()
    )
    if result.output.probabilities is not None:
        probabilities = result.output.probabilities.astype(np.float32)
        return ClassScores(query_names, query.labels, probabilities, result.record)
    return RetrievalFeatures(
        gallery=gallery.features,
        gallery_labels=gallery.labels,
        gallery_names=gallery_names,
        gallery_counts=gallery.counts,
        query=query.features,
        query_labels=query.labels,
        query_names=query_names,
        query_counts=query.counts,
        info=result.record,
    )
