"""Half a cosine that a linear warm-up joins from below."""

from __future__ import annotations

import math

from mmaction.registry import PARAM_SCHEDULERS
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import INF, _ParamScheduler


def warmup_cosine(
    progress: float, total: float, warmup: float, base: float, start: float, end: float = 0.0
) -> float:
    """Learning rate after ``progress`` of ``total`` epochs.

    ``end + (base - end) (cos(pi progress / total) + 1) / 2``; during the warm-up a line from
    ``start`` to the cosine's value at its end. The cosine is not shifted by the warm-up.
    """

    def cosine(at):
        return end + (base - end) * (math.cos(math.pi * at / total) + 1) / 2

    if progress < warmup:
        return start + (cosine(warmup) - start) * progress / warmup
    return cosine(progress)


class _WarmupCosine(_ParamScheduler):
    def __init__(
        self,
        optimizer,
        *args,
        total: int | None = None,
        warmup: int = 0,
        start_lr: float = 1e-3,
        end_lr: float = 0.0,
        end: int = INF,
        **kwargs,
    ):
        total = end if total is None else total
        if total >= INF:
            raise ValueError(
                'param_scheduler: WarmupCosineLR needs total, the length of the training'
            )
        if not 0 <= warmup < total:
            raise ValueError(
                f'param_scheduler: warmup={warmup} must be at least 0 and below total={total}'
            )
        self.total, self.warmup, self.start_lr, self.end_lr = total, warmup, start_lr, end_lr
        super().__init__(optimizer, *args, end=end, **kwargs)

    @classmethod
    def build_iter_from_epoch(
        cls,
        *args,
        total=None,
        warmup=0,
        by_epoch=True,
        epoch_length=None,
        begin=0,
        end=INF,
        **kwargs,
    ):
        """Count in iterations what the config says in epochs (``convert_to_iter_based=True``)."""
        if not by_epoch or not epoch_length:
            raise ValueError('only a scheduler that counts epochs can be converted to iterations')
        total = end if total is None else total
        return cls(
            *args,
            total=total * epoch_length,
            warmup=warmup * epoch_length,
            begin=0,
            end=total * epoch_length,
            by_epoch=False,
            **kwargs,
        )

    def _get_value(self):
        return [
            warmup_cosine(self.last_step, self.total, self.warmup, base, self.start_lr, self.end_lr)
            for base in self.base_values
        ]


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(LRSchedulerMixin, _WarmupCosine):
    """Half-period cosine schedule with linear warm-up, as in FGKVMemPred's released code.

    Args:
        optimizer: The optimizer or its wrapper (mmengine gives it).
        total: Epochs (or iterations) after which ``end_lr`` is reached; by default those of the
            training.
        warmup: Epochs of warm-up; the paper has none, the released configs 35 on UCF101 and 10 on
            Kinetics-400.
        start_lr: Learning rate at the start of the warm-up.
        end_lr: Learning rate at the end.

    Raises:
        ValueError: When the warm-up is as long as the training, or the training has no length.
    """
