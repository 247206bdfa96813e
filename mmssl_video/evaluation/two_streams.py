"""Late fusion of streams: class probabilities or similarities of several models, averaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..results.protocol_output import ProtocolOutput
from ..results.result_files import ClassScores, RetrievalFeatures
from .class_scores import expected_hits
from .cosine_scores import CHUNK, TIE, CosineScores
from .retrieval import KS, recall_at_k

VERSION = 1


def check_weights(weights: Sequence[float] | None, count: int) -> np.ndarray:
    """Weights of ``count`` streams, scaled to the sum 1; equal by default.

    Raises:
        ValueError: Their number is another, one is negative or no number, or all are 0.
    """
    shares = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(shares) != count:
        raise ValueError(
            f'there are {count} result files but {len(shares)} weights: give one weight for each'
        )
    if not np.isfinite(shares).all() or (shares < 0).any() or not shares.sum() > 0:
        raise ValueError(
            'weights must be numbers of at least 0, and one of them above 0; got '
            + ' '.join(f'{share:g}' for share in shares)
        )
    return shares / shares.sum()


def align(
    streams: Sequence[ClassScores | RetrievalFeatures], sources: Sequence[str]
) -> list[ClassScores] | list[RetrievalFeatures]:
    """Bring the videos of all streams into the order of the first.

    Args:
        streams: Contents of result files.
        sources: What messages call them.

    Returns:
        The streams, of one kind, with equal names and labels.

    Raises:
        ValueError: Two are not of one kind, of one list of videos, or of one set of classes.
    """
    first = streams[0]
    scores: list[ClassScores] = []
    features: list[RetrievalFeatures] = []
    for stream, source in zip(streams, sources):
        where = f'{sources[0]} and {source}'
        if type(stream) is not type(first):
            kinds = {ClassScores: 'class scores', RetrievalFeatures: 'features for retrieval'}
            raise ValueError(
                f'{sources[0]} holds {kinds[type(first)]} and {source} '
                f'{kinds[type(stream)]}: fuse files of one kind'
            )
        if isinstance(stream, ClassScores) and isinstance(first, ClassScores):
            if stream.probabilities.shape[1] != first.probabilities.shape[1]:
                raise ValueError(
                    f'{where} tell {first.probabilities.shape[1]} and '
                    f'{stream.probabilities.shape[1]} classes apart: fuse models of '
                    'the same classes'
                )
            if not np.isfinite(stream.probabilities).all():
                raise ValueError(
                    f'{source} holds probabilities that are not finite: its model diverged'
                )
            order = _order(first.names, stream.names, 'test', sources[0], source)
            ordered = ClassScores(
                [stream.names[i] for i in order],
                stream.labels[order],
                stream.probabilities[order],
                stream.info,
            )
            _same(first.labels, ordered.labels, ordered.names, 'labels', 'the test videos', where)
            scores.append(ordered)
        elif isinstance(stream, RetrievalFeatures):
            if stream.gallery.shape[1] != stream.query.shape[1]:
                raise ValueError(
                    f'{source} holds gallery features of {stream.gallery.shape[1]} dimensions and '
                    f'query features of {stream.query.shape[1]}: extract both with one encoder'
                )
            for role in ('gallery', 'query'):
                stream = _align_rows(first, stream, role, sources[0], source)
            features.append(stream)
    return scores or features


def _align_rows(first, stream, role, first_source, source):
    """Sort one side of a stream, with all rows of a video, as the first stream has it."""
    names, labels, counts = (
        getattr(stream, f'{role}_{key}') for key in ('names', 'labels', 'counts')
    )
    order = _order(getattr(first, f'{role}_names'), names, role, first_source, source)
    ends = np.cumsum(counts)
    rows = np.concatenate([np.arange(ends[i] - counts[i], ends[i]) for i in order])
    names = [names[i] for i in order]
    for key, given, what in (
        ('labels', labels[order], 'labels'),
        ('counts', counts[order], 'numbers of clips'),
    ):
        _same(
            getattr(first, f'{role}_{key}'),
            given,
            names,
            what,
            f'the {role} videos',
            f'{first_source} and {source}',
        )
    return replace(
        stream,
        **{
            role: getattr(stream, role)[rows],
            f'{role}_names': names,
            f'{role}_labels': labels[order],
            f'{role}_counts': counts[order],
        },
    )


def _order(wanted, names, role, first_source, source):
    """Where each of the wanted names stands; a name that occurs twice is told by its turn."""
    if list(wanted) == list(names):
        return np.arange(len(names))

    def keys(some):
        seen: Counter[str] = Counter()
        for name in some:
            seen[name] += 1
            yield name, seen[name]

    places = {key: i for i, key in enumerate(keys(names))}
    wanted = list(keys(wanted))
    missing = [name for name, turn in wanted if (name, turn) not in places]
    extra = [name for name, turn in sorted(places.keys() - set(wanted))]
    if missing or extra:
        parts = [
            f'{len(some)} only in {where} ({", ".join(some[:3])}{", …" if len(some) > 3 else ""})'
            for some, where in ((missing, first_source), (extra, source))
            if some
        ]
        raise ValueError(
            f'{first_source} and {source} are of different {role} lists: of their '
            f'videos {" and ".join(parts)}'
        )
    return np.array([places[key] for key in wanted])


def _same(first, second, names, what, whose, where):
    different = np.flatnonzero(first != second)
    if len(different):
        i = different[0]
        raise ValueError(
            f'{where} give {len(different)} of {whose} different {what}, such as '
            f'{first[i]} and {second[i]} for {names[i]}: they are of different lists '
            'or views'
        )


def fuse_scores(streams: Sequence[ClassScores], weights: np.ndarray) -> np.ndarray:
    """Weighted mean of class probabilities, ``[V, K]`` float64 (MemDPC Table 2, two-stream)."""
    return sum(
        weight * stream.probabilities.astype(np.float64) for weight, stream in zip(weights, streams)
    )


def classification_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> ProtocolOutput:
    """``top1`` and, for more than five classes, ``top5`` in percent; ties by expectation.

    Args:
        probabilities: ``[V, K]``.
        labels: ``[V]``.

    Raises:
        ValueError: A label lies outside the K classes.
    """
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f'labels go from {labels.min()} to {labels.max()} but there are '
            f'probabilities of {classes} classes'
        )
    ks = (1, 5) if classes > 5 else (1,)
    metrics = {
        f'top{k}': 100 * float(expected_hits(probabilities, labels, k, TIE).mean()) for k in ks
    }
    return ProtocolOutput(metrics, {f'top{k}': 100 * k / classes for k in ks})


def retrieval_ks(streams: Sequence[RetrievalFeatures]) -> tuple[int, ...]:
    """The k of R@k that any of the streams' own protocols asks for."""
    asked = [stream.info.get('options', {}).get('ks') or KS for stream in streams]
    return tuple(sorted({int(k) for ks in asked for k in ks}))


def fused_retrieval(
    streams: Sequence[RetrievalFeatures],
    weights: np.ndarray,
    ks: Sequence[int],
    chunk_size: int = CHUNK,
    device: str = 'cpu',
) -> ProtocolOutput:
    """R@k of the weighted mean of the streams' cosine similarities.

    Each stream has features of its own width and is centred if its own protocol says so
    (``info['options']['centred']``). Similarities are made and summed block by block.

    Args:
        streams: Aligned (:func:`align`).
        weights: One for each, of sum 1.
        ks: The k of R@k.
        chunk_size, device: See :func:`mmssl_video.evaluation.retrieval.recall_at_k`.

    Returns:
        ``R@k`` in percent for each k; ties as in retrieval by one stream.
    """
    parts = [
        (
            weight,
            CosineScores(
                stream.query,
                stream.gallery,
                bool(stream.info.get('options', {}).get('centred')),
                device,
            ),
        )
        for weight, stream in zip(weights, streams)
        if weight > 0
    ]
    first = streams[0]
    return recall_at_k(
        lambda rows, columns: sum(weight * scores(rows, columns) for weight, scores in parts),
        np.repeat(first.gallery_labels, first.gallery_counts),
        np.repeat(first.query_labels, first.query_counts),
        ks,
        chunk_size,
        device,
    )
