"""Tensors of all processes, with and without gradients."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch.autograd.function import once_differentiable


def is_parallel() -> bool:
    """Whether there are other processes."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


class _GatherWithGrad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tensor):
        gathered = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(gathered, tensor)
        ctx.length = len(tensor)
        return torch.cat(gathered)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        # Every process holds the gradient of its own loss: the tensor takes part in all of them.
        grad = grad.contiguous()
        dist.all_reduce(grad)
        return grad[dist.get_rank() * ctx.length :][: ctx.length]


def gather_with_grad(tensor: torch.Tensor) -> torch.Tensor:
    """Concatenate a tensor of every process, of one shape, along dimension 0, in order of rank.

    Gradients flow back to each process: the mean over the processes of the gradients of their
    losses is the gradient of the mean loss. With one process, the tensor itself.
    """
    return _GatherWithGrad.apply(tensor.contiguous()) if is_parallel() else tensor


@torch.no_grad()
def gather_rows(tensor: torch.Tensor) -> torch.Tensor:
    """Concatenate rows of every process, as many as each has, in order of rank; no gradients."""
    if not is_parallel():
        return tensor
    counts = [
        torch.zeros(1, dtype=torch.int64, device=tensor.device)
        for _ in range(dist.get_world_size())
    ]
    dist.all_gather(counts, torch.full_like(counts[0], len(tensor)))
    sizes = [int(count) for count in counts]
    padded = tensor.new_zeros(max(sizes), *tensor.shape[1:])
    padded[: len(tensor)] = tensor
    gathered = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(gathered, padded)
    return torch.cat([rows[:size] for rows, size in zip(gathered, sizes)])
