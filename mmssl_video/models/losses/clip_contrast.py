"""Two views of a clip against all others: SSTL's first term."""

from __future__ import annotations

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmaction.registry import MODELS

from .gather import gather_rows, gather_with_grad, is_parallel
from .precision import at_least_float32
from .weighted import WeightedLoss, refuse_shapes


@MODELS.register_module()
class ClipContrastLoss(WeightedLoss):
    """Contrast of two views of each clip with those of all others: Eq. (3) and (4) of SSTL.

    ``L_i,x = -log(exp(sim(h_i,x, h_i,y) / tau) / sum)``, where the sum is over all other clips in
    view x, all clips (the positive among them) in view y, and cells of a memory bank where the
    method has one. The mean over clips and both views is taken.

    Args:
        weight: lambda_ctr of Eq. (6).
        temperature: tau of Eq. (3).
        num_negatives: Cells of the bank in the sum of Eq. (3); 2048 is best in Table 5. Of no
            effect where the method has no bank.
        gather: In training, take the clips of all processes as negatives (the batch of Eq. 3),
            with gradients; the mean over processes is then the loss of the whole batch.
        group_size: Contrast within groups of so many clips of the batch: as that many processes
            without ``gather``, or accumulated batches, would.

    Raises:
        ValueError: For values that make no sense or contradict each other.
    """

    label = 'nce'
    contrasts = True

    def __init__(
        self,
        weight: float = 1.0,
        temperature: float = 0.1,
        num_negatives: int = 2048,
        gather: bool = True,
        group_size: int | None = None,
    ):
        super().__init__(weight)
        if not temperature > 0 or num_negatives < 0:
            raise ValueError(
                'ClipContrastLoss.temperature must be positive and num_negatives at least 0, '
                f'not {temperature!r} and {num_negatives!r}'
            )
        if group_size is not None and gather:
            raise ValueError(
                'ClipContrastLoss.group_size splits the batch of a process: set gather=False'
            )
        self.temperature, self.num_negatives = float(temperature), num_negatives
        self.gather, self.group_size = gather, group_size
        self.reads_bank = num_negatives > 0

    def forward(self, predicted, target, videos: torch.Tensor | None = None, bank=None, **context):
        """See :meth:`WeightedLoss.forward`.

        Args:
            predicted: Features h of the clips' view x, ``[B, D]``, of any length.
            target: Of their view y, or predicted by what is in view x; with or without gradient.
            videos: Video of each clip, int64 ``[B]``: other clips of the same video are no
                negatives. Without it, all clips count as clips of different videos.
            bank: A :class:`TemporalMemoryBank` to draw further negatives from; needs ``videos``.

        Returns:
            The loss; and ``top1``, how often the positive beats all negatives, and
            ``num_negatives``, their mean number.

        Raises:
            ValueError: For other shapes, or a batch that is no whole number of groups.
        """
        refuse_shapes('ClipContrastLoss', '[B, D]', predicted, target, (2,))
        count, groups, cells, valid = len(predicted), None, None, None
        if self.group_size is not None:
            if count % self.group_size:
                raise ValueError(
                    f'a batch of {count} clips is no whole number of groups of '
                    f'ClipContrastLoss.group_size={self.group_size}'
                )
            groups = torch.arange(count) // self.group_size
        if videos is not None and bank is not None and self.num_negatives:
            # of one process the numbers may be on the CPU already: no waiting for the device
            spread = self.gather and self.training and is_parallel()
            asked = (gather_rows(videos.to(predicted.device)) if spread else videos).cpu().numpy()
            size = self.group_size
            parts = [asked] if size is None else np.split(asked, len(asked) // size)
            cells, valid = bank.draw(self.num_negatives, parts)
            cells = cells.to(predicted.device)
            valid = None if groups is None else valid[groups].to(predicted.device)
        return contrast_views(
            predicted,
            target,
            self.temperature,
            None if videos is None else videos.to(predicted.device),
            None if groups is None else groups.to(predicted.device),
            cells,
            valid,
            gather=self.gather and self.training,
        )


def contrast_views(
    first: torch.Tensor,
    second: torch.Tensor,
    temperature: float = 0.1,
    videos: torch.Tensor | None = None,
    groups: torch.Tensor | None = None,
    bank: torch.Tensor | None = None,
    bank_valid: torch.Tensor | None = None,
    gather: bool = False,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Eq. (3) and (4) of SSTL on tensors.

    Args:
        first, second: Features h of the views x and y, ``[B, D]``, of any length.
        temperature: tau.
        videos: Video of each clip, ``[B]``: other clips of the same video are no negatives.
            Without it, all clips count as clips of different videos.
        groups: Contrast clips of one group only, ``[B]``; default all with all.
        bank: Further negatives, ``[K, D]``, without gradient.
        bank_valid: Which of them count for which clip, bool ``[B, K]``; default all.
        gather: Take the clips of all processes as negatives, with gradients; all must have B clips
            and the mean over processes is then the loss of the whole batch.

    Returns:
        See :meth:`ClipContrastLoss.forward`.
    """
    with torch.autocast(first.device.type, enabled=False):
        views = [F.normalize(at_least_float32(view), dim=1) for view in (first, second)]
        others, count, gather = views, len(first), gather and is_parallel()
        own = torch.arange(count, device=first.device)
        place = own + dist.get_rank() * count if gather else own  # among the clips of all processes
        videos = place if videos is None else videos
        groups = torch.zeros_like(videos) if groups is None else groups
        other_videos, other_groups = videos, groups
        if gather:
            others = [gather_with_grad(view) for view in views]
            other_videos, other_groups = gather_rows(videos), gather_rows(groups)
        allowed = (groups[:, None] == other_groups) & (videos[:, None] != other_videos)
        logits, positives = [], []
        for view, mate in ((0, 1), (1, 0)):
            same = views[view] @ others[view].T / temperature
            cross = views[view] @ others[mate].T / temperature
            positives.append(cross[own, place])
            parts = [
                same.masked_fill(~allowed, -torch.inf),
                cross.masked_fill(~allowed, -torch.inf),
            ]
            if bank is not None and len(bank):
                part = views[view] @ F.normalize(bank.to(same.dtype), dim=1).T / temperature
                if bank_valid is not None:
                    part = part.masked_fill(~bank_valid, -torch.inf)
                parts.append(part)
            logits.append(torch.cat(parts, 1))
        negatives, positive = torch.cat(logits), torch.cat(positives)
        loss = torch.logsumexp(torch.cat([positive[:, None], negatives], 1), 1) - positive
        with torch.no_grad():
            stats = dict(
                top1=(positive > negatives.amax(1)).float().mean(),
                num_negatives=(negatives > -torch.inf).sum(1).float().mean(),
            )
        return loss.mean(), stats
