"""SSTL's Figures 1 and 2 of any encoders: ``mmssl similarity CKPT ...``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..atomic_files import write_atomic
from ..datasets import BadVideoError, VideoListDataset
from ..datasets.pipelines import with_meta_keys
from ..datasets.view_pipelines import augmented_pipeline, known_window
from ..datasets.views import test_pipeline
from ..datasets.windows import as_windows
from ..evaluation.clip_statistics import (
    against_distance,
    cosines,
    mean_and_interval,
    within_and_across,
)
from ..results.records import to_json
from ..results.similarity_figure import draw_similarities
from ..results.work_dir import check_work_dir
from .encoder import Encoder

STRENGTHS = (0, 4, 8, 12, 16)


def analyse_similarity(
    encoders: Sequence[Encoder],
    ann_file: str,
    videos: str = '',
    out: str | Path = 'similarity.png',
    *,
    num_clips: int = 10,
    strengths: Sequence[int] = STRENGTHS,
    max_videos: int | None = None,
    seed: int = 0,
) -> dict[str, dict]:
    """Similarities of clips as encoders see them; draws the figure and writes its numbers.

    All encoders see the same frames; these, and the blocks and the size, are those that the first
    one was trained on. Videos shorter than a clip are left out of the analysis over time, where
    all their clips would be the same; unreadable ones of everything. Both are counted and named.

    Args:
        encoders: From :func:`mmssl_video.apis.build_encoder`.
        ann_file: List file.
        videos: Folder of the videos.
        out: PNG; the numbers go beside it as JSON.
        num_clips: Clips of a video, at equal distances.
        strengths: Numbers e of extra frames.
        max_videos: Use so many at random.
        seed: Seed of the choice and of the augmentations.

    Returns:
        By encoder: ``strength``, ``distance`` and ``videos``, see
        :func:`mmssl_video.results.similarity_figure.draw_similarities`.

    Raises:
        ValueError: The encoders are trained on different frames, or too few videos are left.
    """
    check_work_dir(Path(out).parent, 'the folder of the figure', '--out')
    view = encoders[0].view
    pipelines = [test_pipeline(encoder.view, num_clips) for encoder in encoders]
    for encoder, pipeline in zip(encoders, pipelines):
        if pipeline != pipelines[0]:
            raise ValueError(
                f'{encoder.name} was trained on other frames than {encoders[0].name}: '
                'analyse them one by one'
            )

    def features(pipeline):
        """Index, features by encoder and what is known of each video that can be read."""
        steps = with_meta_keys(pipeline, ('window_starts', 'total_frames'))
        dataset = VideoListDataset(ann_file, steps, dict(video=videos), test_mode=True, seed=seed)
        order = np.random.default_rng(seed).permutation(len(dataset))[:max_videos]
        for index in np.sort(order).tolist():
            if index in unreadable:
                continue
            try:
                sample = dataset[index]
            except BadVideoError as error:
                unreadable[index] = str(error)
                continue
            windows = as_windows(sample['inputs'], view.num_blocks)
            yield (
                index,
                [
                    torch.cat([encoder.extract(part) for part in windows.split(8)])
                    .cpu()
                    .double()
                    .numpy()
                    for encoder in encoders
                ],
                sample['data_samples'].metainfo,
            )

    unreadable: dict[int, str] = {}
    short = []
    num_frames, stride = known_window(view)
    span = (num_frames - 1) * stride + 1
    clips: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in encoders]
    for index, columns, info in features(pipelines[0]):
        if info['total_frames'] <= span:
            short.append(index)
            continue
        for rows, vectors in zip(clips, columns):
            rows.append((vectors, (info['window_starts'] + span / 2) / info['total_frames']))
    pairs = {
        strength: [
            [float(cosines(pair[:1], pair[1:])[0, 0]) for pair in columns]
            for _, columns, _ in features(augmented_pipeline(view, strength))
        ]
        for strength in sorted(set(strengths))
    }
    for what, left_out in (
        ('unreadable', list(unreadable.values())),
        (f'no longer than a clip of {span} frames', [f'number {i + 1} of the list' for i in short]),
    ):
        if left_out:
            print(f'{len(left_out)} videos are {what} and left out: {"; ".join(left_out[:5])}')
    results = {}
    names = _unique([encoder.name for encoder in encoders])
    for number, name in enumerate(names):
        curve = []
        for strength, values in pairs.items():
            mean, interval = mean_and_interval([each[number] for each in values])
            curve.append(
                dict(strength=strength, similarity=mean, interval=interval, clips=len(values))
            )
        similarities = within_and_across([rows for rows, _ in clips[number]], seed)
        results[name] = dict(
            strength=curve, distance=against_distance(clips[number]), videos=similarities
        )
        same, other = (np.mean(values) for values in similarities.values())
        print(
            f'{name}: augmented views '
            + ', '.join(f'e={point["strength"]} {point["similarity"]:.3f}' for point in curve)
            + f'; same video {same:.3f}, another video {other:.3f}'
        )
    draw_similarities(results, out)
    write_atomic(to_json(results).encode(), Path(out).with_suffix('.json'))
    return results


def _unique(names: Sequence[str]) -> list[str]:
    """Names, numbered where one occurs twice."""
    return [
        name if names.count(name) == 1 else f'{name} ({names[:i].count(name) + 1})'
        for i, name in enumerate(names)
    ]
