"""Data parallelism without a GPU."""

from __future__ import annotations

import logging

from mmaction.registry import MODEL_WRAPPERS
from mmengine.logging import print_log
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from torch import nn


@MODEL_WRAPPERS.register_module()
class CPUDistributedDataParallel(MMDistributedDataParallel):
    """Distributed data parallelism over gloo.

    mmengine passes ``device_ids=[LOCAL_RANK]``, which DDP refuses for a model on the CPU, and
    ``SyncBN`` runs on GPUs only: it becomes ordinary batch norm, each process with the statistics
    of its own share of the batch.

    Args:
        module: Model to wrap.
        device_ids: Ignored; mmengine's Runner always gives it.
        **kwargs: As for ``MMDistributedDataParallel``; buffers are not broadcast, as in mmengine.
    """

    def __init__(self, module: nn.Module, device_ids=None, **kwargs) -> None:
        if any(isinstance(m, nn.SyncBatchNorm) for m in module.modules()):
            print_log(
                'SyncBN does not run on the CPU: each process uses the batch norm statistics '
                'of its own samples',
                logger='current',
                level=logging.WARNING,
            )
            module = revert_sync_batchnorm(module)
        kwargs.setdefault('broadcast_buffers', False)
        super().__init__(module, device_ids=None, **kwargs)
