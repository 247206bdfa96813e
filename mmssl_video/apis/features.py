"""Features of any videos: a dataset, a folder, a list of files, or arrays of frames."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size, is_main_process
from torch import Tensor
from torch.utils.data import DataLoader

from ..atomic_files import open_atomic
from ..datasets.guarded import Guarded, build_dataset
from ..datasets.unlisted_videos import UnlistedVideos
from ..datasets.video_folder import VIDEO_SUFFIXES
from ..datasets.views import test_pipeline
from ..datasets.windows import as_frames, as_windows
from ..evaluation.registry import FEATURES
from ..progress import Progress
from .encoder import Encoder


@dataclass
class FeatureSet:
    """Features of V videos, in the order of their list.

    Args:
        features: ``[V, D]`` float32; with every window kept, ``[sum of windows, D]``, video after
            video.
        labels: ``[V]`` int64, -1 where unknown.
        names: File names, or ``array 0``, ….
        windows: ``[V]`` int64, windows each feature is the mean of.
        protocol: How they were made: encoder, checkpoint hash, seed, views, ``feature`` (the
            level) and ``clips`` (``'mean'`` of the windows, or ``'each'``).
        unreadable: ``(name, reason)`` of the videos that are *not* among the features.
    """

    features: np.ndarray
    labels: np.ndarray
    names: list[str]
    windows: np.ndarray
    protocol: dict[str, Any]
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    @property
    def counts(self) -> np.ndarray:
        """Rows of ``features`` that each video has, ``[V]``."""
        return self.windows if self.protocol.get('clips') == 'each' else np.ones_like(self.windows)

    @property
    def row_labels(self) -> np.ndarray:
        """Label of every row of ``features``."""
        return np.repeat(self.labels, self.counts)

    def select(self, names: Sequence[str], labels: Sequence[int]) -> FeatureSet:
        """The features of some of the videos, in the order of ``names``, with these labels.

        Raises:
            KeyError: One is neither among the features nor among the unreadable videos.
        """
        places = {name: i for i, name in enumerate(self.names)}
        reasons = dict(self.unreadable)
        chosen, kept, bad = [], [], []
        for name, label in zip(names, labels):
            if name in places:
                chosen.append(places[name])
                kept.append(label)
            else:
                bad.append((name, reasons[name]))
        ends = np.cumsum(self.counts)
        rows = [np.arange(ends[i] - self.counts[i], ends[i]) for i in chosen]
        return FeatureSet(
            self.features[np.concatenate(rows) if rows else []],
            np.array(kept, dtype=np.int64),
            [self.names[i] for i in chosen],
            self.windows[chosen],
            self.protocol,
            bad,
        )

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` without pickled objects, whole or not at all.

        ``protocol`` and ``unreadable`` are JSON.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_atomic(path) as file:  # a path without .npz would get another name
            np.savez_compressed(
                file,
                features=self.features,
                labels=self.labels,
                windows=self.windows,
                names=np.array(self.names, dtype=np.str_),
                protocol=json.dumps(self.protocol),
                unreadable=json.dumps(self.unreadable),
            )

    @classmethod
    def load(cls, path: str | Path) -> FeatureSet:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(
                file['features'],
                file['labels'],
                file['names'].tolist(),
                file['windows'],
                json.loads(str(file['protocol'])),
                [tuple(pair) for pair in json.loads(str(file['unreadable']))],
            )


def extract_features(
    encoder: Encoder,
    data: Any,
    *,
    num_windows: int | None = None,
    batch_size: int = 8,
    window_batch: int = 16,
    num_workers: int = 0,
    on_error: str = 'skip',
    max_bad_share: float = 1.0,
    progress: bool = True,
    root: str | Path | None = None,
    feature: str = 'context',
    clips: str = 'mean',
    **sampling: Any,
) -> FeatureSet:
    """Features of videos: by default the mean over windows of the encoder's pooled context.

    When ``torch.distributed`` is initialised, processes share the batches and every process
    returns all features. Batches are the same whatever the number of processes, so features are
    too, and no video is counted twice.

    Args:
        encoder: From :func:`mmssl_video.apis.build_encoder`.
        data: One of

            - config of a dataset or of a data loader (``dict``), with its own test pipeline;
            - folder of videos (any depth), list file (``path [label]`` a line) or video file;
            - list of video files;
            - frames, ``[T, H, W, 3]`` uint8 RGB, or a list of such arrays.
        num_windows: Windows per video, at equal distances; by default they slide over the whole
            video. Not for dataset configs, whose pipeline says it.
        batch_size: Videos read at a time; the frames of all their windows are in memory at once.
        window_batch: Windows per forward pass.
        num_workers: Processes that decode.
        on_error: ``'skip'`` leaves unreadable videos out, names them in ``unreadable`` and in the
            output; ``'raise'`` stops at the first.
        max_bad_share: Share of unreadable videos above which it stops all the same.
        progress: Show a progress line.
        root: Folder that the paths of a list file start from; its own by default.
        feature: ``'context'``, ``'backbone'``, ``'block'`` or ``'projection'``, see
            :meth:`Encoder.extract_levels`.
        clips: ``'mean'`` over the windows of a video, or ``'each'`` window's feature.
        **sampling: Other options of the sampler. For long videos give ``max_windows=32``, say:
            no more windows than that slide over a video, spread over its length, and so bound
            memory, which grows with ``batch_size`` times the windows of a video.

    Returns:
        Features and how they were made.

    Raises:
        FileNotFoundError: No such file or folder.
        ValueError: Nothing to extract from, or arrays that are no frames.
        RuntimeError: Too many unreadable videos.
    """
    if feature not in FEATURES or clips not in ('mean', 'each'):
        raise ValueError(
            f"feature must be one of {', '.join(FEATURES)} and clips 'mean' or "
            f"'each', got {feature!r} and {clips!r}"
        )
    dataset, loader = _dataset(encoder, data, num_windows, root, sampling)
    options: dict[str, Any] = dict(batch_size=batch_size, num_workers=num_workers)
    options.update(loader)
    return extract_needs(
        [encoder],
        {},
        dataset,
        [(feature, clips)],
        window_batch=window_batch,
        on_error=on_error,
        max_bad_share=max_bad_share,
        progress=progress,
        **options,
    )[0][feature, clips]


def extract_many(
    encoders: Sequence[Encoder],
    baselines: Mapping[str, Callable[[Tensor, dict], Tensor]],
    dataset: Any,
    **options: Any,
) -> list[FeatureSet]:
    """One feature a video, the mean context, by several encoders and trivial baselines.

    Args, raises: see :func:`extract_needs`.

    Returns:
        One per encoder, then one per baseline.
    """
    need = ('context', 'mean')
    return [
        features[need]
        for features in extract_needs(encoders, baselines, dataset, [need], **options)
    ]


def extract_needs(
    encoders: Sequence[Encoder],
    baselines: Mapping[str, Callable[[Tensor, dict], Tensor]],
    dataset: Any,
    needs: Sequence[tuple[str, str]],
    *,
    batch_size: int = 8,
    num_workers: int = 0,
    window_batch: int = 16,
    on_error: str = 'skip',
    max_bad_share: float = 1.0,
    progress: bool = True,
    what: str = 'videos',
) -> list[dict[tuple[str, str], FeatureSet]]:
    """Features by several encoders and trivial baselines, reading every video once.

    Args:
        encoders: Encoders.
        baselines: Functions of the frames ``[W, T, 3, H, W]`` of one video and of what is known
            of its file (``total_frames``, ``original_shape``), by name.
        dataset: Strict, with ``get_data_info`` and ``view``, as :func:`build_dataset` makes it.
            Its sampler may bound the windows of a video (``max_windows``): those of a batch are
            held at once.
        needs: ``(feature, clips)`` pairs that are wanted, all from one forward pass.
        what: What the progress line calls the videos.
        batch_size, num_workers, window_batch, on_error, max_bad_share, progress: See
            :func:`extract_features`.

    Returns:
        One dictionary per encoder, then one per baseline: features by need. A baseline is one
        feature of the whole video for every need.
    """
    if on_error not in ('skip', 'raise'):
        raise ValueError(f"on_error must be 'skip' or 'raise', got {on_error!r}")
    if len(dataset) == 0:
        raise ValueError(f'there are no {what} to extract features from: the list is empty')
    view = dataset.view
    # Whole batches are dealt to processes: the make-up of a batch, and with it every rounding (and
    # every batch statistic), does not depend on how many processes there are.
    batches = list(torch.arange(len(dataset)).split(batch_size))
    own_batches = [batch.tolist() for batch in batches[get_rank() :: get_world_size()]]
    loader = DataLoader(
        Guarded(dataset), batch_sampler=own_batches, num_workers=num_workers, collate_fn=list
    )
    bar = Progress(what, sum(map(len, own_batches)), progress and is_main_process())
    own_items = []
    for items in loader:
        for item in items:
            if on_error == 'raise' and 'reason' in item:
                raise RuntimeError(f'cannot read {item["name"]}: {item["reason"]}')
        good = [item for item in items if 'reason' not in item]
        windows = [as_windows(item.pop('inputs'), view.num_blocks) for item in good]
        infos = [item.pop('info') for item in good]
        rows = _features(encoders, baselines, windows, infos, needs, window_batch)
        for item, features in zip(good, rows):
            item['features'] = features
        for item, stacked in zip(good, windows):
            item['windows'] = len(stacked)
        own_items += items
        bar.step(len(items), bad=len(items) - len(good))
    gathered = sorted(
        (item for part in all_gather_object(own_items) for item in part),
        key=lambda item: item['index'],
    )
    good = [item for item in gathered if 'reason' not in item]
    unreadable = [(item['name'], item['reason']) for item in gathered if 'reason' in item]
    _report_unreadable(unreadable, len(gathered), max_bad_share, what)
    labels = np.array([item['label'] for item in good], dtype=np.int64)
    counts = np.array([item['windows'] for item in good], dtype=np.int64)
    makers = [
        dict(
            encoder=e.name,
            checkpoint=e.checkpoint,
            checkpoint_hash=e.checkpoint_hash,
            seed=e.seed,
            views=view.sentence,
        )
        for e in encoders
    ]
    makers += [dict(baseline=name, views=view.sentence) for name in baselines]
    names = [item['name'] for item in good]
    results: list[dict[tuple[str, str], FeatureSet]] = []
    for i, maker in enumerate(makers):
        results.append({})
        for level, clips in needs:
            made_as = dict(feature=level, clips=clips) if i < len(encoders) else {}
            results[-1][level, clips] = FeatureSet(
                np.concatenate([item['features'][i][level, clips] for item in good]),
                labels,
                names,
                counts,
                dict(maker, **made_as),
                unreadable,
            )
    return results


def _features(encoders, baselines, windows, infos, needs, window_batch):
    """Features by need, per video and maker, from lists of ``[W, N, C, T, H, W]``."""
    if not windows:
        return []
    counts = [len(view) for view in windows]
    stacked = torch.cat(windows)
    levels = list(dict.fromkeys(feature for feature, _ in needs))
    columns = []
    for encoder in encoders:
        parts = [encoder.extract_levels(part, levels) for part in stacked.split(window_batch)]
        by_level = {
            level: torch.cat([part[level].cpu() for part in parts]).split(counts)
            for level in levels
        }
        columns.append(
            [
                {
                    (level, clips): (
                        by_level[level][i]
                        if clips == 'each'
                        else by_level[level][i].mean(0, keepdim=True)
                    ).numpy()
                    for level, clips in needs
                }
                for i in range(len(windows))
            ]
        )
    for baseline in baselines.values():
        rows = [baseline(as_frames(view), info)[None].numpy() for view, info in zip(windows, infos)]
        columns.append([dict.fromkeys(needs, row) for row in rows])
    return [list(row) for row in zip(*columns)]


def _report_unreadable(unreadable, total, max_bad_share, what):
    if not unreadable:
        return
    names = '; '.join(f'{name}: {reason}' for name, reason in unreadable[:5])
    more = f'; and {len(unreadable) - 5} more' if len(unreadable) > 5 else ''
    if len(unreadable) == total:
        raise RuntimeError(f'none of the {total} {what} can be read: {names}{more}')
    if len(unreadable) > max_bad_share * total:
        raise RuntimeError(
            f'{len(unreadable)} of {total} {what} cannot be read, more than the '
            f'allowed {max_bad_share:.0%} (max_bad_share): {names}{more}'
        )
    if is_main_process():
        print(f'{len(unreadable)} of {total} {what} cannot be read and are left out: {names}{more}')


def _dataset(encoder, data, num_windows, root, sampling):
    """Dataset and loader options for whatever the user gave."""
    if isinstance(data, dict):
        if num_windows is not None or sampling or root is not None:
            raise ValueError(
                'a dataset config says its windows (its sampler) and its folder '
                '(data_prefix) itself: num_windows, root and sampling options are '
                'for folders, lists and arrays'
            )
        loader = {
            k: data[k] for k in ('batch_size', 'num_workers') if 'dataset' in data and k in data
        }
        return build_dataset(data.get('dataset', data)), loader
    pipeline = test_pipeline(encoder.view, num_windows, **sampling)
    modality = encoder.view.modality  # a flow encoder must not be shown RGB frames
    if isinstance(data, np.ndarray) and data.ndim == 4:
        data = [data]
    if isinstance(data, (str, Path)):
        path = Path(data)
        if path.is_dir():  # classes are the folders in it
            return UnlistedVideos.of_folder(path, pipeline, modality), {}
        if path.suffix.lower() in VIDEO_SUFFIXES:
            data = [path]
        elif not path.is_file():
            raise FileNotFoundError(
                f'{path} does not exist: give a folder of videos, a list file or a video file'
            )
        else:
            config = dict(
                type='VideoListDataset',
                ann_file=str(path),
                pipeline=pipeline,
                modality=modality,
                suffix=encoder.view.suffix,
                data_prefix=dict(video=str(path.parent if root is None else root)),
            )
            return build_dataset(config), {}
    if not len(data):
        raise ValueError('there are no videos to extract features from: the list is empty')
    if all(isinstance(item, np.ndarray) for item in data):
        return UnlistedVideos.of_arrays(data, pipeline, modality), {}
    if all(isinstance(item, (str, Path)) for item in data):
        return UnlistedVideos.of_files(data, pipeline, modality), {}
    raise ValueError(
        'videos must be a folder, a list file, a list of video files, arrays of '
        'frames or a dataset config'
    )
