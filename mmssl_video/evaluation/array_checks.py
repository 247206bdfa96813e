"""What every protocol asks of its feature arrays, said in one sentence when it does not hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def check_arrays(
    gallery: ArrayLike, gallery_labels: ArrayLike, query: ArrayLike, query_labels: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Check the two labelled feature sets of a protocol and return them as arrays.

    Args:
        gallery: Training features, ``[G, D]``.
        gallery_labels: Their classes, ``[G]`` integers.
        query: Test features, ``[Q, D]``.
        query_labels: Their classes, ``[Q]`` integers.

    Returns:
        ``(gallery, gallery_labels, query, query_labels)`` as float32 and int64 arrays.

    Raises:
        ValueError: For an empty set, two feature widths, features that are not finite, labels
            that are missing or negative, or query classes absent from the gallery.
    """
    gallery_rows, query_rows = (
        _check_features('gallery', gallery),
        _check_features('query', query),
    )
    for role, features, labels in (
        ('gallery', gallery_rows, gallery_labels),
        ('query', query_rows, query_labels),
    ):
        if np.shape(labels) != (len(features),):
            raise ValueError(
                f'the {role} has {len(features)} features and labels of shape '
                f'{list(np.shape(labels))}: one label per feature is needed'
            )
    gallery_classes, query_classes = check_labels(gallery_labels, query_labels)
    if gallery_rows.shape[1] != query_rows.shape[1]:
        raise ValueError(
            f'gallery features have {gallery_rows.shape[1]} dimensions and query features '
            f'{query_rows.shape[1]}: extract both with the same encoder'
        )
    return gallery_rows, gallery_classes, query_rows, query_classes


def check_labels(
    gallery_labels: ArrayLike, query_labels: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """The part of :func:`check_arrays` that can be said before any feature is there."""
    gallery_classes = _check_role('gallery', gallery_labels)
    query_classes = _check_role('query', query_labels)
    absent = np.setdiff1d(query_classes, gallery_classes)
    if len(absent):
        share = float(np.isin(query_classes, absent).mean())
        raise ValueError(
            f'{len(absent)} of the query classes have no video in the gallery, so {share:.1%} of '
            f'the queries can never be right: {_names(absent)}; add gallery videos of '
            'these classes or take the queries out of the query list'
        )
    return gallery_classes, query_classes


def _check_features(role: str, given: ArrayLike) -> np.ndarray:
    features = np.asarray(given, dtype=np.float32)
    if features.shape[0] == 0:
        raise ValueError(_empty(role))
    if features.ndim != 2:
        raise ValueError(
            f'{role} features must have shape [videos, dimensions], got {list(features.shape)}'
        )
    bad = int((~np.isfinite(features).all(axis=1)).sum())
    if bad:
        raise ValueError(
            f'{bad} of {len(features)} {role} features are NaN or infinite: the '
            'encoder diverged, or its BatchNorm statistics are broken'
        )
    return features


def _check_role(role: str, given: ArrayLike) -> np.ndarray:
    labels = np.asarray(given)
    if not len(labels):
        raise ValueError(_empty(role))
    if labels.dtype.kind not in 'iu':
        raise ValueError(f'{role} labels must be integers, got {labels.dtype}')
    labels = labels.astype(np.int64)
    if labels.min() < 0:
        raise ValueError(
            f'{int((labels < 0).sum())} of {len(labels)} {role} videos have no label: '
            'this protocol needs a class for every video of its list'
        )
    return labels


def _empty(role):
    return f'the {role} is empty: its list names no video'


def _names(labels, limit=5):
    return ', '.join(map(str, labels[:limit])) + (', …' if len(labels) > limit else '')
