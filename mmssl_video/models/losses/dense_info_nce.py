"""The dense contrastive loss of DPC and MemDPC, in memory that grows linearly."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch.autograd.function import once_differentiable

from .gather import gather_with_grad, is_parallel
from .precision import at_least_float32
from .weighted import WeightedLoss, refuse_shapes


class _ChunkedInfoNCE(torch.autograd.Function):
    """Mean cross-entropy of ``pred @ target.T`` without ever holding the whole matrix.

    Rows are taken in chunks of whole videos. The gradient of a row's loss needs that row's
    softmax alone, so it is formed in the forward pass while the chunk is at hand; the backward pass
    only scales it. This costs the same three matrix products as the plain version.
    """

    @staticmethod
    def forward(ctx, pred, target, offset, steps, places, max_elements):
        num_rows, num_targets = len(pred), len(target)
        per_video = steps * places
        chunk = per_video * max(1, max_elements // (per_video * num_targets))
        need_grad = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        grad_pred = torch.empty_like(pred) if need_grad else None
        grad_target = torch.zeros_like(target) if need_grad else None
        total = pred.new_zeros(())
        # Per row: how many negatives of each kind score at least as high as the positive.
        beaten = torch.empty(num_rows, 3, dtype=torch.long, device=pred.device)
        position = torch.arange(per_video, device=pred.device)
        is_temporal = (position[:, None] % places == position % places) & (
            position[:, None] != position
        )
        logits = pred.new_empty(min(chunk, num_rows), num_targets)
        scratch = torch.empty_like(logits)

        for start in range(0, num_rows, chunk):
            rows = pred[start : start + chunk]
            logits, scratch = logits[: len(rows)], scratch[: len(rows)]
            own_rows = slice(start + offset, start + offset + len(rows))
            torch.matmul(rows, target.T, out=logits)
            positive = logits.gather(
                1, torch.arange(own_rows.start, own_rows.stop, device=pred.device)[:, None]
            )
            # Ones in floating point: several times faster to sum than booleans.
            not_below = torch.ge(logits, positive, out=scratch)
            first = torch.arange(own_rows.start, own_rows.stop, per_video, device=pred.device)
            own = (first[:, None] + position).repeat_interleave(per_video, 0)
            own = not_below.gather(1, own) > 0
            temporal = (own & is_temporal.repeat(len(first), 1)).sum(1)
            num_own = own.sum(1)
            beaten[start : start + chunk] = torch.stack(
                [temporal, num_own - 1 - temporal, not_below.sum(1).long() - num_own], 1
            )

            largest = logits.amax(1, keepdim=True)
            weights = logits.sub_(largest).exp_()
            normaliser = weights.sum(1, keepdim=True)
            total += (normaliser.log() + largest - positive).sum()
            if grad_pred is not None and grad_target is not None:
                # softmax = weights / normaliser; dividing the thin factors spares a pass.
                grad_rows = torch.matmul(weights, target, out=grad_pred[start : start + chunk])
                grad_rows.div_(normaliser).sub_(target[own_rows])
                grad_target.addmm_(weights.T, rows / normaliser)
                grad_target[own_rows] -= rows
        if grad_pred is not None and grad_target is not None:
            ctx.save_for_backward(grad_pred.div_(num_rows), grad_target.div_(num_rows))
        ctx.mark_non_differentiable(beaten)
        return total / num_rows, beaten

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_loss, _):
        grad_pred, grad_target = ctx.saved_tensors
        return grad_pred * grad_loss, grad_target * grad_loss, None, None, None, None


@MODELS.register_module()
class DenseInfoNCELoss(WeightedLoss):
    """Contrastive loss over time, space and batch: Eq. (5) of DPC, Eq. (6) of MemDPC.

    The positive of a prediction is the feature at its own video, step and place; the features at
    all other steps and places of all videos are negatives. The mean over the predictions is taken.

    Args:
        weight: Factor of the term.
        temperature: Divisor of the similarities (1 in both papers).
        normalize: Compare L2-normalised vectors instead of raw dot products.
        gather: In training, take the targets of all processes as negatives. Gradients flow to all
            of them, so the average over processes is the gradient of the loss of the whole batch.
            (Held-out videos are compared within their batch, whatever the processes.)
        max_elements: Number of matrix elements held at a time.

    Raises:
        ValueError: For a temperature or ``max_elements`` that is not positive.
    """

    label = 'nce'
    contrasts = True

    def __init__(
        self,
        temperature: float = 1.0,
        normalize: bool = False,
        gather: bool = False,
        max_elements: int = 2**21,
        weight: float = 1.0,
    ):
        super().__init__(weight)
        for name, value in (('temperature', temperature), ('max_elements', max_elements)):
            if not value > 0:
                raise ValueError(f'DenseInfoNCELoss.{name} must be positive, not {value}')
        self.temperature = temperature
        self.normalize = normalize
        self.gather = gather
        self.max_elements = max_elements

    def forward(self, predicted, target, **context):
        """Contrast predictions with features; see :meth:`WeightedLoss.forward`.

        Args:
            predicted: Predicted features ``[B, P, C, H, W]`` of B videos at P steps.
            target: The features observed there, of the same shape.

        Returns:
            The loss, and accuracies in [0, 1] by name: ``top1``, ``top3``, ``top5``, and
            ``top1_temporal``, ``top1_spatial``, ``top1_easy`` against one kind of negative alone
            (same place of the same video; same video; other videos; DPC section 3.2), where
            there are negatives of that kind. A tie counts as lost. ``num_negatives`` is their
            number for each prediction.

        Raises:
            ValueError: If the shapes differ or are not five-dimensional.
        """
        refuse_shapes('DenseInfoNCELoss', '[B, P, C, H, W]', predicted, target, (5,))
        _, steps, channels, height, width = predicted.shape
        with torch.autocast(predicted.device.type, enabled=False):
            pred, target = (
                at_least_float32(x.permute(0, 1, 3, 4, 2).reshape(-1, channels))
                for x in (predicted, target)
            )
            if self.normalize:
                pred, target = F.normalize(pred, dim=1), F.normalize(target, dim=1)
            offset = 0
            if self.gather and self.training and is_parallel():
                offset = dist.get_rank() * len(target)
                target = gather_with_grad(target)
            loss, beaten = _ChunkedInfoNCE.apply(
                pred / self.temperature, target, offset, steps, height * width, self.max_elements
            )

        rank = beaten.sum(1)
        metrics = {f'top{k}': (rank < k).float().mean() for k in (1, 3, 5)}
        exists = (steps > 1, height * width > 1, len(target) > steps * height * width)
        for kind, name in enumerate(('temporal', 'spatial', 'easy')):
            if exists[kind]:
                metrics[f'top1_{name}'] = (beaten[:, kind] == 0).float().mean()
        metrics['num_negatives'] = rank.new_tensor(len(target) - 1, dtype=torch.float)
        return loss, metrics
