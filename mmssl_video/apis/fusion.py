"""Two-stream fusion from result files: ``mmssl fuse RGB.npz FLOW.npz``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.array_checks import check_arrays
from ..evaluation.two_streams import (
    VERSION,
    align,
    check_weights,
    classification_accuracy,
    fuse_scores,
    fused_retrieval,
    retrieval_ks,
)
from ..results.records import append_results, make_record, read_results
from ..results.result_files import ClassScores, load_result_file


def run_fusion(
    files: Sequence[str | Path],
    weights: Sequence[float] | None = None,
    *,
    out: str | Path | None = None,
    device: str = 'cpu',
) -> list[dict]:
    """Figures of every stream and of their fusion.

    Args:
        files: Two or more result files of one kind and one test list; videos in another order are
            aligned by name.
        weights: One for each file; equal by default. Only their ratio matters.
        out: JSON file to append the records to.
        device: Where to compute the similarities of retrieval.

    Returns:
        Records (:func:`mmssl_video.results.records.make_record`): one per file, the fused one
        last.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The files cannot be fused, or the weights make no sense.
    """
    paths = [str(path) for path in files]
    if len(paths) < 2:
        raise ValueError('fusion needs at least two result files')
    shares = check_weights(weights, len(paths))
    if out is not None:
        read_results(out)  # an unusable results file must not cost the work
    streams = align([load_result_file(path) for path in paths], paths)
    alone = np.eye(len(paths))
    if isinstance(streams[0], ClassScores):
        # Scores of units of a timeline (Oops) are more than the videos that count as queries.
        num_queries = min(
            [len(streams[0].labels)]
            + [stream.info['num_queries'] for stream in streams if 'num_queries' in stream.info]
        )
        num_gallery = 0
        num_classes = streams[0].probabilities.shape[1]
        outputs = [
            classification_accuracy(fuse_scores(streams, each), streams[0].labels)
            for each in (*alone, shares)
        ]
    else:
        num_queries, num_gallery = len(streams[0].query_labels), len(streams[0].gallery_labels)
        num_classes = len(np.unique(streams[0].gallery_labels))
        for stream in streams:
            check_arrays(
                stream.gallery,
                np.repeat(stream.gallery_labels, stream.gallery_counts),
                stream.query,
                np.repeat(stream.query_labels, stream.query_counts),
            )
        ks = retrieval_ks(streams)
        outputs = [fused_retrieval(streams, each, ks, device=device) for each in (*alone, shares)]
    infos = [stream.info for stream in streams]
    short = [Path(path).name for path in paths]
    names = short if len(set(short)) == len(short) else paths
    fused = 'fused ' + ' : '.join(f'{w:g}' for w in (weights or [1] * len(paths)))
    common = dict(
        protocol=f'two-stream/{_joined(infos, "protocol")}',
        version=VERSION,
        dataset=_joined(infos, 'dataset'),
        seed=None,
        bn_batches=None,
        num_gallery=num_gallery,
        num_queries=num_queries,
        num_classes=num_classes,
        unreadable={role: _unreadable(infos, role) for role in ('gallery', 'query')},
    )
    records = []
    for output, subject, info, path in zip(
        outputs, [*names, fused], [*infos, None], [*paths, None]
    ):
        sources = infos if info is None else [info]
        records.append(
            make_record(
                output,
                **common,
                subject=subject,
                kind='stream' if path else 'fusion',
                options=dict(
                    weights=[float(w) for w in shares] if info is None else [1.0],
                    files=paths if info is None else [path],
                    subjects=[one.get('subject') for one in sources],
                    streams=[one.get('options', {}) for one in sources],
                ),
                split={
                    role: _joined([one.get('split') or {} for one in sources], role)
                    for role in ('gallery', 'query')
                },
                views=_joined(sources, 'views'),
                checkpoint=_joined(sources, 'checkpoint'),
                checkpoint_hash=_joined(sources, 'checkpoint_hash'),
            )
        )
    if out is not None:
        append_results(out, records)
    return records


def _unreadable(infos: Sequence[dict[str, Any]], role: str) -> list[tuple[str, str]]:
    """Videos that the streams left out, each once (they leave out the same, or are refused)."""
    return sorted(
        {tuple(video) for info in infos for video in (info.get('unreadable') or {}).get(role, ())}
    )


def _joined(infos: Sequence[dict[str, Any]], key: str) -> str | None:
    """What the files say, once if they agree."""
    said = list(dict.fromkeys(str(info[key]) for info in infos if info.get(key) is not None))
    return ' + '.join(said) or None
