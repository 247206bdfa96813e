"""Records of the unintentional-action task (``configs/evaluation/unintentional_linear.py``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.config import Config

from ..checkpoints import checkpoint_hash
from ..datasets.pipelines import dataset_of
from ..datasets.transforms.unintentional import STEP_CLASSES
from ..datasets.views import view_of
from ..evaluation import ProtocolOutput
from ..evaluation.unintentional.metric import UnintentionalActionMetric
from ..evaluation.unintentional.timeline import THRESHOLDS, localisation_name
from ..results.records import closeness_warnings, make_record


def unintentional_records(
    cfg: Config,
    metric: UnintentionalActionMetric,
    *,
    trained: Config | None,
    subject: str,
    checkpoint: str | None,
    meta: dict,
    unreadable: list[tuple[str, str]],
    seed: int,
    baselines: bool = True,
) -> list[dict]:
    """Records of a tested classifier of unintentional actions, trivial answers first.

    Beside it stand chance (a third; for the localisation that of a random moment), the majority
    class and the middle of every video.

    Args:
        cfg: Config with ``unintentional = dict(protocol=NAME, dataset=NAME)``.
        metric: The evaluated metric.
        trained: Config inside the checkpoint, which knows what it was trained as.
        subject: What tables call the classifier.
        checkpoint: Its file; None for the untrained network.
        meta: The checkpoint's ``meta``.
        unreadable: ``(name, reason)`` of test videos left out.
        seed: Seed of an untrained network.
        baselines: Put the trivial answers beside it.

    Returns:
        See :func:`mmssl_video.results.records.make_record`. Queries are videos;
        ``details['queries']`` has, for each figure, the number of those that it rests on, and
        ``details['num_units']`` the number of units (of one block's length) of each class.
    """
    training, output = trained or {}, metric.output()
    query = dataset_of(cfg.test_dataloader)
    pretrained = training.get('pretrained') or {}
    train_list = dataset_of(training.get('train_dataloader') or cfg.get('train_dataloader')).get(
        'ann_file'
    )
    own = dict(
        protocol=(training.get('unintentional') or cfg.unintentional).protocol,
        version=1,
        dataset=cfg.unintentional.dataset,
        views=view_of(query).sentence,
        bn_batches=0,
        seed=(training.get('randomness') or {}).get('seed', seed),
        num_gallery=0,
        num_queries=len(metric.videos),
        num_classes=len(STEP_CLASSES),
        split=dict(
            gallery=Path(train_list).name if train_list else None,
            query=Path(query['ann_file']).name,
        ),
        unreadable=dict(gallery=[], query=unreadable),
    )
    baseline = dict(own, kind='baseline', checkpoint=None, checkpoint_hash=None, options={})
    details = dict(queries=output.details['queries'])
    middle = {
        localisation_name(within): 100
        * float(
            np.mean(
                [abs(video['duration'] / 2 - video['failure']) <= within for video in metric.videos]
            )
        )
        for within in THRESHOLDS
    }
    records = [
        make_record(
            ProtocolOutput(output.details['majority_class'], output.chance, details),
            subject='majority class',
            **baseline,
        ),
        make_record(
            ProtocolOutput(middle, output.chance, details),
            subject='middle of the video',
            **baseline,
        ),
        make_record(
            output,
            **own,
            subject=subject,
            kind='encoder',
            checkpoint=checkpoint,
            checkpoint_hash=None if checkpoint is None else checkpoint_hash(checkpoint),
            options=dict(
                pretrained=pretrained.get('checkpoint'),
                pretrained_hash=pretrained.get('hash'),
                epoch=meta.get('epoch'),
            ),
        ),
    ]
    records[-1]['warnings'] = closeness_warnings(records)[subject]
    return records if baselines else records[-1:]
