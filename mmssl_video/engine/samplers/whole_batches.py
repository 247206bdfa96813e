"""Batches of a test list that do not depend on the number of processes."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from mmaction.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler


@DATA_SAMPLERS.register_module()
class WholeBatchSampler(Sampler):
    """Deals whole batches of a list to the processes.

    A self-supervised figure depends on what else is in a batch: on the negatives, and on the
    statistics of batch norm. mmengine deals single videos, so that batches differ with the number
    of processes, and fills up the last round with videos that were dealt before. Here the batches
    are those of a single process, and process r of P gets the batches r, r + P, …: each video once.
    The last batch may be smaller, and a process may get one batch less, or none.

    Args:
        sampler: mmengine's ``DefaultSampler`` of the data loader, which says the order.
        batch_size: Videos of a batch.
        drop_last: Leave a smaller last batch out.
    """

    def __init__(self, sampler: DefaultSampler, batch_size: int, drop_last: bool = False) -> None:
        self.rank, self.world_size = get_dist_info()
        self.sampler = copy.copy(sampler)  # as a single process has it
        self.sampler.rank, self.sampler.world_size = 0, 1
        self.sampler.num_samples = self.sampler.total_size = len(sampler.dataset)
        self.batch_size, self.drop_last = batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        order = list(self.sampler)
        for number in range(self.rank, self._count(), self.world_size):
            yield order[number * self.batch_size : (number + 1) * self.batch_size]

    def __len__(self) -> int:
        return len(range(self.rank, self._count(), self.world_size))

    def _count(self) -> int:
        """Batches of all processes together."""
        whole, rest = divmod(self.sampler.num_samples, self.batch_size)
        return whole + bool(rest and not self.drop_last)
