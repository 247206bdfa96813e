"""Running statistics of BatchNorm from unlabelled clips, for encoders that no data gave any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from mmengine.dist import is_main_process
from torch.utils.data import DataLoader, Subset

from ..datasets.guarded import Guarded
from ..datasets.windows import as_windows
from .encoder import Encoder, norms_of


def calibrate_batchnorm(
    encoder: Encoder, batches: Iterable[dict], num_batches: int, num_blocks: int | None = None
) -> int:
    """Replace BatchNorm's running statistics by those of unlabelled clips, in place.

    An untrained encoder has running statistics 0 and 1, which no data ever gave it; with the
    statistics of real clips it is another, often quite different, encoder. The mean over batches
    is cumulative (``momentum=None``). No weight changes.

    Of every video the middle window is used: a long video counts no more than a short one, its
    overlapping windows add little, and memory does not grow with its length.

    Args:
        encoder: Changed in place; its name gets ``, BN calibrated``.
        batches: Batches of a data loader, ``dict(inputs=[[M, C, T, H, W], …])``.
        num_batches: How many of them to use at most.
        num_blocks: Blocks per window of the inputs; by default that of the encoder's own config.

    Returns:
        Batches used; 0 where there are no running statistics to set, with a notice.

    Raises:
        ValueError: For no batch at all.
    """
    norms = [norm for norm in norms_of(encoder.model) if norm.track_running_stats]
    if not norms:
        if is_main_process():
            print(
                f'note: {encoder.name} has no BatchNorm layer with running statistics: there is '
                'nothing to calibrate'
            )
        return 0
    num_blocks = num_blocks or encoder.view.num_blocks
    momenta = [norm.momentum for norm in norms]
    used = 0
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        for batch in batches:
            if used == num_batches:
                break
            if batch['inputs']:  # else all videos of the batch are unreadable
                windows = [as_windows(x, num_blocks) for x in batch['inputs']]
                encoder.extract(torch.stack([view[len(view) // 2] for view in windows]))
                used += 1
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
            norm.eval()
    if not used:
        raise ValueError(
            'BatchNorm cannot be calibrated on no batch: num_batches must be at least '
            '1 and the list must name a video'
        )
    encoder.name += ', BN calibrated'
    encoder.bn_batches = used
    return used


def calibrate_encoders(
    encoders: Sequence[Encoder],
    loader: dict[str, Any],
    dataset: Any,
    num_batches: int,
    seed: int = 0,
) -> None:
    """Calibrate encoders on clips of a list in a seeded random order, the same for all.

    Labels take no part; videos that cannot be read are left out (extraction names them).

    Args:
        encoders: Changed in place, see :func:`calibrate_batchnorm`.
        loader: Config of the data loader: ``batch_size`` and ``num_workers`` count.
        dataset: Its dataset, from :func:`build_dataset`.
        num_batches: How many batches to use at most.
        seed: Seed of the order.
    """
    for encoder in encoders:
        order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed)).tolist()
        batches = DataLoader(
            Subset(Guarded(dataset), order),
            collate_fn=_inputs,
            batch_size=loader.get('batch_size', 8),
            num_workers=loader.get('num_workers', 0),
        )
        calibrate_batchnorm(encoder, batches, num_batches, dataset.view.num_blocks)


def _inputs(items):
    return dict(inputs=[item['inputs'] for item in items if 'inputs' in item])
