"""Mixed precision on the CPU."""

from __future__ import annotations

from contextlib import contextmanager

import torch
from mmaction.registry import OPTIM_WRAPPERS
from mmengine.optim import OptimWrapper
from torch import nn


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Optimizer wrapper that runs the forward pass under bfloat16 autocast on the CPU.

    mmengine's ``AmpOptimWrapper`` demands a GPU. bfloat16 has float32's range, so no loss scaling
    is needed. Weights, gradients and optimizer state stay float32.
    """

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Enter autocast around the forward pass (and gradient accumulation as in the base)."""
        with super().optim_context(model), torch.autocast('cpu', dtype=torch.bfloat16):
            yield
