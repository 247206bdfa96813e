"""Refuses a mixed-precision run whose convolutions have wrong gradients on this machine."""

from __future__ import annotations

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@HOOKS.register_module()
class AmpGradientCheckHook(Hook):
    """Compares the weight gradients of a model's own convolutions with those of float32.

    Kernels of some libraries are wrong for some shapes in 16 bits only: torch 2.13 on the CPU
    leaves the weight gradient of a 3 x 3 x 3 convolution over 2 padded frames unwritten. Training
    goes on regardless, on noise. In the first iteration every convolution is noted with the shapes
    it gets; after it each of them is computed once more on random numbers, in the type that
    autocast computed in and in float32.

    Args:
        tolerance: Largest relative error that rounding explains; the gradient of a correct kernel
            in bfloat16 is off by about 3e-3.
        max_batch: Rows of a batch that are compared: the shapes in time and space decide which
            kernel runs.

    Raises:
        RuntimeError: A gradient is off by more; the message names the convolution and its shape.
    """

    priority = 'VERY_HIGH'

    def __init__(self, tolerance: float = 0.05, max_batch: int = 2) -> None:
        self.tolerance, self.max_batch = tolerance, max_batch
        self._seen: dict[tuple, tuple[str, nn.Module, torch.dtype]] = {}
        self._handles: list = []

    def before_train(self, runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for name, module in model.named_modules():
            if isinstance(module, _CONVOLUTIONS):
                self._handles.append(module.register_forward_hook(self._noting(name)))

    def _noting(self, name: str):
        def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            shape = (min(len(inputs[0]), self.max_batch), *inputs[0].shape[1:])
            settings = (type(module), module.kernel_size, module.stride, module.padding)
            key = (shape, settings, module.dilation, module.groups, module.out_channels)
            if output.dtype in (torch.float16, torch.bfloat16):
                self._seen.setdefault(key, (name, module, output.dtype))

        return note

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if not self._handles:
            return
        for handle in self._handles:
            handle.remove()
        self._handles = []
        for (shape, *_), (name, module, dtype) in self._seen.items():
            error = gradient_error(module, shape, dtype)
            if not error <= self.tolerance:
                kind = str(dtype).replace('torch.', '')
                raise RuntimeError(
                    f'mixed precision cannot be used here: the weight gradient of {name} '
                    f'({type(module).__name__}, kernel {module.kernel_size}) on maps of '
                    f'{list(shape)} is off by {error:.1g} of its size in {kind} on '
                    f'{module.weight.device}; train without --amp'
                )
        self._seen = {}


@torch.enable_grad()
def gradient_error(module: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> float:
    """Relative error of a convolution's weight gradient in a type, against float32.

    Args:
        module: The convolution; neither its weights nor their gradients change.
        shape: Shape of its input.
        dtype: 16-bit floating point type.

    Returns:
        Norm of the difference over the norm of the float32 gradient; infinite where the former is
        no number.
    """
    original = module.get_parameter('weight')
    device = original.device
    generator = torch.Generator().manual_seed(0)
    # rounded first, so that both types compute with the same numbers
    x = torch.randn(shape, generator=generator).to(device, dtype)
    kernel = torch.randn(original.shape, generator=generator).to(device, dtype)
    direction, gradients = None, []
    for kind in (torch.float32, dtype):
        weight = kernel.to(kind).detach().requires_grad_()
        parameters = {name: p.detach().to(kind) for name, p in module.named_parameters()}
        with torch.autocast(device.type, enabled=False):
            output = torch.func.functional_call(
                module, {**parameters, 'weight': weight}, (x.to(kind),)
            )
        if direction is None:
            direction = torch.randn(output.shape, generator=generator).to(device, dtype)
        gradients.append(torch.autograd.grad(output, weight, direction.to(kind))[0].double())
    error = ((gradients[1] - gradients[0]).norm() / gradients[0].norm()).item()
    return error if error == error else float('inf')
