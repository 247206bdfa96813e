"""Optimizers that hold nothing frozen."""

from __future__ import annotations

from mmaction.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableParamsConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, of an optimizer that never sees a frozen parameter.

    The default one hands over every parameter, and leaves it to the optimizer not to decay, copy or
    count those without a gradient.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer wrapper.

        Raises:
            ValueError: All parameters are frozen.
        """
        wrapper = super().__call__(model)
        groups = wrapper.optimizer.param_groups
        for group in groups:
            group['params'] = [p for p in group['params'] if p.requires_grad]
        groups[:] = [group for group in groups if group['params']]
        if not groups:
            raise ValueError('there is nothing to train: all parameters of the model are frozen')
        return wrapper
