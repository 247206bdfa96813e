"""Run the protocols of an evaluation config on encoders, with honest baselines beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process
from torch.utils.data import DataLoader, Dataset, Subset

from mmssl_video.config_files import find_config
from mmssl_video.evaluation import ProtocolOutput, get_protocol
from mmssl_video.evaluation.baselines import BASELINES, majority_top1
from mmssl_video.evaluation.checks import check_labels
from mmssl_video.evaluation.report import append_results, make_record, read_results

from .encoder import Encoder, build_encoder, calibrate_batchnorm
from .features import Guarded, build_dataset, extract_many
from .views import describe_views, num_blocks_of

_KEYS = {'dataset', 'gallery', 'query', 'protocol', 'baselines', 'max_bad_share', 'window_batch'}


def run_evaluation(cfg: str | Path | Config,
                   checkpoint: str | Path | Encoder | Sequence[str | Path | Encoder], *,
                   encoder_config: str | Path | Config | None = None, seed: int = 0,
                   device: str | None = None, calibrate_bn: int = 0,
                   out: str | Path | None = None, progress: bool = True) -> list[dict]:
    """Evaluate encoders by the protocols of a config.

    Everything that can be wrong with lists, labels, options and the results file is said before
    the first video is read. Every video is read once, for all encoders, baselines and protocols.

    Args:
        cfg: Config with ``evaluation = dict(dataset=NAME, gallery=LOADER,
            query=LOADER, protocol=dict(type=NAME, **options) or a list of such, baselines=True,
            max_bad_share=0.05)``. A LOADER is a data loader config, its dataset in test mode.
        checkpoint: What to evaluate: checkpoint files, the word ``random``, or built encoders.
        encoder_config: Config of the encoder, see :func:`build_encoder`.
        seed: Of random weights and of the protocols' splits.
        device: Where to compute.
        calibrate_bn: Batches of gallery clips (without their labels) on which BatchNorm statistics
            of the encoders built here are set first; 0 leaves them as they are.
        out: JSON file to append the records to.
        progress: Show progress lines.

    Returns:
        Records, see :func:`mmssl_video.evaluation.report.make_record`; the same in
        every process of a distributed run.

    Raises:
        ValueError: Config, labels or options are wrong.
        FileNotFoundError: A list, checkpoint or config is not there.
        RuntimeError: Too many videos cannot be read.
    """
    cfg = Config.fromfile(find_config(cfg)) if isinstance(cfg, (str, Path)) else cfg
    settings = _settings(cfg)
    protocols = [(get_protocol(options.pop('type')), options)
                 for options in map(dict, settings['protocol'])]
    for protocol, options in protocols:
        protocol.check_options(options)
    if out is not None:
        read_results(out)  # an unreadable results file must not cost a whole run
    datasets = {role: build_dataset(settings[role]['dataset']) for role in ('gallery', 'query')}
    _check_lists(datasets)

    encoders = []
    for source in checkpoint if isinstance(checkpoint, (list, tuple)) else [checkpoint]:
        if not isinstance(source, Encoder):
            source = build_encoder(source, encoder_config, seed, device)
            if calibrate_bn:
                calibrate_batchnorm(source, gallery_batches(settings, datasets['gallery'], seed),
                                    calibrate_bn,
                                    num_blocks_of(settings['gallery']['dataset']['pipeline']))
        encoders.append(source)
    names = [encoder.name for encoder in encoders]
    if len(set(names)) < len(names):
        raise ValueError('encoders of one evaluation need different names, got '
                         f'{", ".join(names)}: set build_encoder(name=...)')
    baselines = BASELINES if settings.get('baselines', True) else {}
    sets = {role: extract_many(
        encoders, baselines, datasets[role], settings[role]['dataset']['pipeline'], what=role,
        batch_size=settings[role].get('batch_size', 8),
        num_workers=settings[role].get('num_workers', 0),
        window_batch=settings.get('window_batch', 16),
        max_bad_share=settings.get('max_bad_share', 0.05), progress=progress)
        for role in ('gallery', 'query')}

    box = [None]
    if is_main_process():
        box[0] = _records(settings, protocols, encoders, baselines, sets, seed)
        if out is not None:
            append_results(out, box[0])
    broadcast_object_list(box)
    return box[0]


def gallery_batches(settings: dict, dataset: Dataset, seed: int = 0) -> DataLoader:
    """Batches of gallery clips in a seeded random order, for calibrating BatchNorm.

    Args:
        settings: The ``evaluation`` part of a config.
        dataset: Its gallery, built.
        seed: Seed of the order.

    Returns:
        Loader that gives ``dict(inputs=[[M, C, T, H, W], …])``, without labels and without the
        videos that cannot be read (which extraction names).
    """
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed)).tolist()
    return DataLoader(Subset(Guarded(dataset), order), collate_fn=_inputs,
                      batch_size=settings['gallery'].get('batch_size', 8),
                      num_workers=settings['gallery'].get('num_workers', 0))


def _inputs(items):
    return dict(inputs=[item['inputs'] for item in items if 'inputs' in item])


def _settings(cfg):
    """The ``evaluation`` part of a config, checked and with ``protocol`` as a list."""
    settings = dict(cfg.get('evaluation') or {})
    missing = {'dataset', 'gallery', 'query', 'protocol'} - set(settings)
    if missing:
        raise ValueError(f'the config lacks evaluation.{", evaluation.".join(sorted(missing))}: an '
                         'evaluation names its dataset, gallery, query and protocol, see '
                         'configs/retrieval_demo.py')
    unknown = set(settings) - _KEYS
    if unknown:
        raise ValueError(f'evaluation has no setting {", ".join(sorted(unknown))}; it has '
                         f'{", ".join(sorted(_KEYS))}')
    for role in ('gallery', 'query'):
        if 'dataset' not in settings[role]:
            raise ValueError(f'evaluation.{role} must be a data loader config with a dataset')
    if not isinstance(settings['protocol'], (list, tuple)):
        settings['protocol'] = [settings['protocol']]
    for protocol in settings['protocol']:
        if 'type' not in protocol:
            raise ValueError('evaluation.protocol needs a type, such as '
                             "protocol=dict(type='knn/cosine', k=20)")
    return settings


def _check_lists(datasets):
    """Say what is wrong with labels before any video is decoded."""
    labels = {role: [dataset.get_data_info(i).get('label', -1) for i in range(len(dataset))]
              for role, dataset in datasets.items()}
    check_labels(labels['gallery'], labels['query'])


def _records(settings, protocols, encoders, baselines, sets, seed):
    """Run every protocol on the features of every subject."""
    gallery, query = sets['gallery'], sets['query']
    labels = (gallery[0].labels, query[0].labels)
    common = dict(
        dataset=settings['dataset'], views=describe_views(settings['query']['dataset']['pipeline']),
        split={role: Path(settings[role]['dataset']['ann_file']).name for role in sets},
        num_gallery=len(labels[0]), num_queries=len(labels[1]),
        num_classes=len(np.unique(labels[0])),
        unreadable={role: sets[role][0].unreadable for role in sets})
    nobody = dict(kind='baseline', checkpoint=None, checkpoint_hash=None, bn_batches=0, seed=seed)
    subjects = [dict(nobody, subject=name) for name in baselines]
    subjects += [dict(subject=e.name, kind='encoder', checkpoint=e.checkpoint, seed=(
        seed if e.seed is None else e.seed), checkpoint_hash=e.checkpoint_hash,
        bn_batches=e.bn_batches) for e in encoders]
    # extract_many puts encoders first; the table reads better with what is trivial first.
    columns = [*range(len(encoders), len(gallery)), *range(len(encoders))]
    records = []
    for protocol, options in protocols:
        runs = []
        for subject, column in zip(subjects, columns):
            output = protocol(gallery[column].features, labels[0], query[column].features,
                              labels[1], seed=seed, **options)
            runs.append((subject, output))
        if baselines and any('top1' in output.metrics for _, output in runs):
            chance = runs[0][1].chance
            runs.insert(0, (dict(nobody, subject='majority class'), ProtocolOutput(
                dict(top1=majority_top1(*labels)), dict(top1=chance['top1']))))
        records += [make_record(output, protocol=protocol.name, version=protocol.version,
                                options=dict(options), **subject, **common)
                    for subject, output in runs]
    return records
