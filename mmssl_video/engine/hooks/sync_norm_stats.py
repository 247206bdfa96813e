"""One set of batch norm statistics for all processes."""

from __future__ import annotations

from mmaction.registry import HOOKS
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from torch.nn.modules.batchnorm import _NormBase


@HOOKS.register_module()
class SyncNormStatsHook(Hook):
    """Averages the running statistics of norm layers over the processes at the end of each epoch.

    Buffers are not broadcast while training, so without this every process would validate with
    statistics of its own, and a checkpoint, hence a resumed run, would hold those of rank 0 only.
    mmengine's ``SyncBuffersHook`` averages *every* buffer, which would destroy memory banks,
    queues and counters.
    """

    priority = 'NORMAL'  # before the checkpoint is saved

    def after_train_epoch(self, runner) -> None:
        if get_world_size() == 1:
            return
        for module in runner.model.modules():
            # one in evaluation mode is frozen, and a mean of equal numbers may differ in a bit
            if isinstance(module, _NormBase) and module.track_running_stats and module.training:
                for buffer in (module.running_mean, module.running_var):
                    if buffer is not None:
                        all_reduce(buffer, op='mean')
