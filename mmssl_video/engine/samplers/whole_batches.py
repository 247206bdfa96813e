"""Batches of a test list that do not depend on the number of processes."""

from __future__ import annotations

from collections.abc import Iterator

from mmaction.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler


@DATA_SAMPLERS.register_module()
class WholeBatchSampler(Sampler):
    """Deals whole batches of a list, in its order, to the processes.

    A self-supervised figure depends on what else is in a batch: on the negatives, and on the
    statistics of batch norm. mmengine deals single videos, so that batches differ with the number
    of processes, and fills up the last round with videos that were dealt before. Here process r of
    P gets the batches r, r + P, …, each video once; the last batch may be smaller, and a process
    may get one batch less, or none.

    Args:
        sampler: Of the data loader; only its ``dataset`` is looked at.
        batch_size: Videos of a batch.
        drop_last: Leave a smaller last batch out.

    Raises:
        ValueError: The sampler shuffles.
    """

    def __init__(self, sampler: Sampler, batch_size: int, drop_last: bool = False) -> None:
        if getattr(sampler, 'shuffle', False):
            raise ValueError('a list that is tested is not shuffled: set sampler.shuffle=False')
        count = len(sampler.dataset)  # type: ignore[attr-defined]
        batches = [
            list(range(start, min(start + batch_size, count)))
            for start in range(0, count, batch_size)
        ]
        if drop_last and batches and len(batches[-1]) < batch_size:
            batches.pop()
        rank, world_size = get_dist_info()
        self.batches = batches[rank::world_size]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)
