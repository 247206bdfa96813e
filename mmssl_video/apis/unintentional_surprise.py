"""Surprise of a predictive model, and failures found by it.

Nothing is trained: a method that predicts in time (``predict_steps``), or a classifier of
unintentional actions, predicts the feature of every block from the blocks before it.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import all_gather_object, get_rank, get_world_size, is_main_process
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from ..checkpoints import load_checkpoint_file, load_full
from ..datasets import BadVideoError
from ..datasets.guarded import Guarded, build_dataset
from ..datasets.unlisted_videos import UnlistedVideos
from ..datasets.video_folder import VIDEO_SUFFIXES
from ..datasets.view_pipelines import TIMELINE_INFO, surprise_pipeline
from ..datasets.windows import as_windows
from ..evaluation.unintentional.localisation import (
    PROTOCOL,
    VERSION,
    block_motion,
    discrepancy,
    localisation,
)
from ..evaluation.unintentional.timeline import THRESHOLDS, average_on_timeline, unit_times
from ..models.recognizers.context_encoder import ContextEncoder
from ..models.recognizers.self_supervised import SelfSupervisedRecognizer
from ..progress import Progress
from ..results.records import append_results, closeness_warnings, make_record, read_results
from ..results.surprise_curves import SurpriseCurve, draw_curves, save_curves
from ..results.work_dir import check_work_dir
from .encoder import Encoder, build_encoder, check_finite, quiet


def run_surprise(
    checkpoint: str | Path | Encoder,
    videos: str | Path | dict,
    *,
    root: str | Path | None = None,
    encoder_config: str | Path | Config | None = None,
    seed: int = 0,
    device: str | None = None,
    num_workers: int = 0,
    window_batch: int = 16,
    min_observed: int | None = None,
    name: str | None = None,
    max_bad_share: float = 0.05,
    out: str | Path | None = None,
    results: str | Path | None = None,
    draw: int = 6,
) -> tuple[list[dict], list[SurpriseCurve]]:
    """Surprise over the time of videos, and how often its peak finds the failure.

    Windows of the training's length and stride move block by block, and a last one ends at the
    video's end. At each block that is predicted from at least ``min_observed`` others the
    discrepancy of the predicted and the true feature is taken; the mean over windows gives the
    curve. In a distributed run the processes share the videos, and every process returns all.

    Args:
        checkpoint: File, the word ``random``, or a built encoder with a ``predictor``.
        videos: List file (``path SECONDS``), dataset config (an ``OopsDataset``), video file, or
            folder of videos. Without times there are curves and no records.
        root: Folder that a list's paths start from; the folder ``videos`` beside it if there is
            one, else its own.
        encoder_config: See :func:`mmssl_video.apis.build_encoder`.
        seed: Of random weights.
        device: Where to compute.
        num_workers: Processes that decode.
        window_batch: Windows per forward pass.
        min_observed: Blocks that a prediction must rest on. A model that was trained to predict
            from five blocks is surprised by whatever follows the first one, so that with 1 the
            peak is often at a video's beginning. By default as many as in its training
            (``num_blocks - pred_steps``), half a window where the model does not say.
        name: Name of the dataset in records; the list's path by default.
        max_bad_share: Share of unreadable videos above which it stops; those below are named in
            the records.
        out: Folder to write ``curves.npz`` and ``curves.png`` to.
        results: JSON file to append the records to; ``results.json`` in ``out`` by default.
        draw: Number of videos in the figure.

    Returns:
        Records and curves, in the order of the list.

    Raises:
        FileNotFoundError: No such checkpoint, list or video.
        ValueError: The model predicts nothing, or there is no video.
        RuntimeError: Too many videos cannot be read.
    """
    if out is not None:
        check_work_dir(out, 'the folder', '--out')
        results = results or Path(out) / 'results.json'
    if results is not None:
        read_results(results)  # an unusable results file must not cost a whole run
    encoder = _predictive_model(checkpoint, encoder_config, seed, device)
    pipeline, blocks = surprise_pipeline(encoder.view), encoder.view.num_blocks
    _try_on_nothing(encoder)
    if min_observed is None:
        min_observed = encoder.model.observed_blocks or blocks // 2
    if not 1 <= min_observed < blocks:
        raise ValueError(
            f'min_observed={min_observed} must be at least 1 and below the {blocks} '
            'blocks of a window'
        )
    dataset = _dataset(videos, pipeline, root, encoder.view)
    if len(dataset) == 0:
        raise ValueError(f'{videos} holds no video')
    views = dataset.view.sentence
    curves, unreadable = _curves(encoder, dataset, blocks, min_observed, num_workers, window_batch)
    if len(unreadable) > max_bad_share * len(dataset) or not curves:
        raise RuntimeError(
            f'{len(unreadable)} of {len(dataset)} videos cannot be used{_reasons(unreadable)}'
        )
    if unreadable and is_main_process():
        print(
            f'{len(unreadable)} of {len(dataset)} videos cannot be used and are left out'
            f'{_reasons(unreadable)}'
        )
    known = [curve for curve in curves if not math.isnan(curve.failure)]
    records = []
    if known:
        # a dataset of a user's own need not have a list
        source = (videos.get('ann_file') or videos['type']) if isinstance(videos, dict) else videos
        baseline = dict(kind='baseline', checkpoint=None, checkpoint_hash=None)
        model = dict(
            kind='encoder', checkpoint=encoder.checkpoint, checkpoint_hash=encoder.checkpoint_hash
        )
        for subject, output in localisation(known).items():
            records.append(
                make_record(
                    output,
                    protocol=PROTOCOL,
                    version=VERSION,
                    options=dict(thresholds=list(THRESHOLDS), min_observed=min_observed),
                    dataset=name or str(source),
                    split=dict(gallery=None, query=Path(str(source)).name),
                    views=views,
                    seed=seed if encoder.seed is None else encoder.seed,
                    bn_batches=encoder.bn_batches,
                    num_gallery=0,
                    num_queries=len(known),
                    num_classes=0,
                    unreadable=dict(gallery=[], query=unreadable),
                    subject=encoder.name if subject == 'surprise' else subject,
                    **(model if subject == 'surprise' else baseline),
                )
            )
        records[-1]['warnings'] = closeness_warnings(records)[encoder.name]
    if out is not None and is_main_process():
        save_curves(
            Path(out) / 'curves.npz',
            curves,
            dict(
                protocol=PROTOCOL,
                version=VERSION,
                checkpoint=encoder.checkpoint,
                checkpoint_hash=encoder.checkpoint_hash,
                views=views,
                min_observed=min_observed,
            ),
        )
        if draw:
            draw_curves(Path(out) / 'curves.png', curves[:draw])
    if results is not None and records and is_main_process():
        append_results(results, records)
    return records, curves


def _reasons(unreadable):
    more = f'; and {len(unreadable) - 5} more' if len(unreadable) > 5 else ''
    return ': ' + '; '.join(f'{video}: {reason}' for video, reason in unreadable[:5]) + more


def _predictive_model(checkpoint, encoder_config, seed, device):
    """An encoder that predicts its next block, with all weights of the checkpoint."""
    encoder = (
        checkpoint
        if isinstance(checkpoint, Encoder)
        else build_encoder(checkpoint, encoder_config, seed, device)
    )
    if not isinstance(encoder.model, (SelfSupervisedRecognizer, ContextEncoder)):
        raise ValueError(
            f'{encoder.name} holds a {type(encoder.model).__name__}, which predicts '
            'no blocks: surprise needs a checkpoint of DPC or MemDPC pre-training'
        )
    if encoder.checkpoint is not None and not isinstance(checkpoint, Encoder):
        with quiet():  # build_encoder has reported on the encoder
            load_full(encoder.model, load_checkpoint_file(encoder.checkpoint), encoder.checkpoint)
    return encoder


@torch.no_grad()
def _try_on_nothing(encoder):
    """Let the model predict the steps of one grey window: what cannot be done fails here."""
    view = encoder.view
    shape = (view.num_blocks, 3, view.block_frames, view.size, view.size)
    batch = encoder.data_preprocessor(dict(inputs=[torch.zeros(shape)], data_samples=None))
    try:
        encoder.model.predict_steps(batch['inputs'].to(encoder.device))
    except ValueError as error:
        raise ValueError(f'{encoder.name}: {error}') from None


def _check_time(entry, info):
    """Refuse a video whose time, or whose failure's place in it, is unknown."""
    seconds = info['total_frames'] / (info.get('avg_fps') or math.nan)
    if math.isnan(seconds):
        raise BadVideoError('', 'names no frame rate')
    failure = entry.get('failure_time', math.nan)
    if failure >= seconds:
        raise BadVideoError('', f'ends after {seconds:.2f} s, before its failure at {failure:g} s')


def _dataset(videos, pipeline, root, view):
    """Videos with or without the time of a failure."""
    path = None if isinstance(videos, dict) else Path(videos)
    if path is None or (path.is_file() and path.suffix.lower() not in VIDEO_SUFFIXES):
        config = videos
        if path is not None:
            folder = path.parent
            root = root or (folder / 'videos' if (folder / 'videos').is_dir() else folder)
            config = dict(
                type='OopsDataset',
                ann_file=str(path),
                data_prefix=dict(video=str(root)),
                modality=view.modality,
                suffix=view.suffix,
            )
        return build_dataset(dict(config, pipeline=pipeline))
    init_default_scope('mmaction')
    if path.is_dir():
        return UnlistedVideos.of_folder(path, pipeline, view.modality)
    if path.is_file():
        return UnlistedVideos.of_files([path], pipeline, view.modality)
    raise FileNotFoundError(f'{path} does not exist: give a list, a video file or a folder')


@torch.no_grad()
def _curves(encoder, dataset, num_blocks, min_observed, num_workers, window_batch):
    """Curves of all videos in their order, and the unreadable ones."""
    guarded = Guarded(dataset, TIMELINE_INFO, ('failure_time', 'name'), _check_time)
    own_share = range(len(dataset))[get_rank() :: get_world_size()]
    own_items, device = [], encoder.device
    bar = Progress('surprise of videos', len(own_share), is_main_process())
    for item in DataLoader(guarded, sampler=own_share, batch_size=None, num_workers=num_workers):
        info = item.pop('info', {})
        item['name'] = item['entry'].get('name', item['name'])
        if 'reason' not in item:
            windows = as_windows(item.pop('inputs'), num_blocks)
            surprise = []
            for part in windows.split(window_batch):
                batch = encoder.data_preprocessor(dict(inputs=list(part), data_samples=None))
                pair = encoder.model.predict_steps(batch['inputs'].to(device))
                check_finite(encoder.name, *pair)
                surprise.append(discrepancy(*pair).cpu())
            length = windows.shape[3] * int(info['frame_interval'])
            total, fps = int(info['total_frames']), float(info['avg_fps'])
            starts = np.asarray(info['window_starts'])[:, None] + np.arange(1, num_blocks) * length
            values = torch.stack([torch.cat(surprise), block_motion(windows)], -1)
            first = min_observed - 1  # of the predicted blocks
            means, _ = average_on_timeline(
                starts[:, first:].reshape(-1),
                length,
                values[:, first:].flatten(0, 1).double().numpy(),
                total,
            )
            item['curve'] = SurpriseCurve(
                item['name'],
                unit_times(total, length, fps),
                means[:, 0],
                means[:, 1],
                total / fps,
                float(item['entry'].get('failure_time', math.nan)),
            )
            if np.isnan(means).all():
                item['reason'] = (
                    f'has {total} frames; a prediction needs {min_observed} blocks '
                    f'of {length} frames before it'
                )
        own_items.append(item)
        bar.step(bad='reason' in item)
    gathered = sorted(
        (item for part in all_gather_object(own_items) for item in part),
        key=lambda item: item['index'],
    )
    return (
        [item['curve'] for item in gathered if 'reason' not in item],
        [(item['name'], item['reason']) for item in gathered if 'reason' in item],
    )
