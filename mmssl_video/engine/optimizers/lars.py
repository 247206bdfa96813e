"""Layer-wise adaptive rate scaling on torch's own SGD."""

from __future__ import annotations

from collections.abc import Callable

import torch
from mmaction.registry import OPTIMIZERS
from torch.optim import SGD


@OPTIMIZERS.register_module()
class LARS(SGD):
    """SGD whose step is scaled, tensor by tensor, to the norm of the weights (You et al. 2017).

    The gradient of a matrix or kernel becomes ``trust |w| / (|g| + wd |w|) (g + wd w)``. Biases and
    the weights of norm layers, which have one dimension, get neither the scaling nor weight decay
    (FGKVMemPred section 4.1).

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        momentum: Momentum of SGD.
        weight_decay: Weight decay of matrices and kernels: 1e-4 in FGKVMemPred, 1e-6 in its
            released configs.
        trust_coefficient: ``trust`` above.
        nesterov: Nesterov momentum, which the released code has on.
        eps: Added to the denominator.

    Raises:
        ValueError: For a trust coefficient that is not positive, or whatever SGD refuses.
    """

    def __init__(
        self,
        params,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 1e-3,
        nesterov: bool = False,
        eps: float = 1e-8,
    ):
        if not trust_coefficient > 0:
            raise ValueError(
                f'optimizer.trust_coefficient of LARS must be positive, not {trust_coefficient!r}'
            )
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
        )
        self.trust_coefficient, self.eps = trust_coefficient, eps

    @torch.no_grad()
    def step(self, closure: Callable | None = None):
        """One step; gradients are scaled in place."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        decays = [group['weight_decay'] for group in self.param_groups]
        for group, decay in zip(self.param_groups, decays):
            group['weight_decay'] = 0.0
            for parameter in group['params']:
                if parameter.grad is None or parameter.ndim < 2:
                    continue
                weight, slope = parameter.norm(), parameter.grad.norm()
                scale = self.trust_coefficient * weight / (slope + decay * weight + self.eps)
                # A tensor or gradient of zeros gives no scale: it is stepped as in plain SGD.
                scale = torch.where((weight > 0) & (slope > 0), scale, torch.ones_like(scale))
                parameter.grad.add_(parameter, alpha=decay).mul_(scale)
        try:
            super().step()
        finally:
            for group, decay in zip(self.param_groups, decays):
                group['weight_decay'] = decay
        return loss
