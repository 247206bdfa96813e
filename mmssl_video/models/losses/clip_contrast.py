"""The three terms of the SSTL loss, Eq. (3) to (6), as functions of features."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F

from .gather import gather_rows, gather_with_grad, is_parallel
from .precision import at_least_float32


def clip_to_clip_loss(
    first: torch.Tensor,
    second: torch.Tensor,
    temperature: float = 0.1,
    videos: torch.Tensor | None = None,
    groups: torch.Tensor | None = None,
    bank: torch.Tensor | None = None,
    bank_valid: torch.Tensor | None = None,
    gather: bool = False,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Contrast of two views of each clip with those of all others: Eq. (3) and (4).

    ``L_i,x = -log(exp(sim(h_i,x, h_i,y) / tau) / sum)``, where the sum is over all other clips in
    view x, all clips (the positive among them) in view y, and the given cells of the memory bank.
    The mean over clips and both views is taken.

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
        The loss; and ``top1``, how often the positive beats all negatives, and ``num_negatives``,
        their mean number.
    """
    with torch.autocast(first.device.type, enabled=False):
        views = [F.normalize(at_least_float32(view), dim=1) for view in (first, second)]
        others, offset, count = views, 0, len(first)
        videos = torch.arange(count, device=first.device) if videos is None else videos
        groups = torch.zeros_like(videos) if groups is None else groups
        other_videos, other_groups = videos, groups
        if gather and is_parallel():
            offset = dist.get_rank() * count
            others = [gather_with_grad(view) for view in views]
            other_videos, other_groups = gather_rows(videos), gather_rows(groups)
        allowed = (groups[:, None] == other_groups) & (videos[:, None] != other_videos)
        own = torch.arange(count, device=first.device)
        logits, positives = [], []
        for view, mate in ((0, 1), (1, 0)):
            same = views[view] @ others[view].T / temperature
            cross = views[view] @ others[mate].T / temperature
            positives.append(cross[own, own + offset])
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


def clip_to_video_loss(
    features: torch.Tensor, video_features: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """One minus the cosine of a clip and its video, Eq. (5).

    Args:
        features: h, ``[B, D]``.
        video_features: Mean of each video's row of the memory bank, ``[B, D]``, without gradient;
            0 where nothing is known of a video yet.

    Returns:
        The mean over all clips, where clips of unknown videos count as 0; and ``video/cosine``, the
        mean over the others, and ``video/known``, their share.
    """
    with torch.autocast(features.device.type, enabled=False):
        known = (video_features != 0).any(1)
        rows = at_least_float32(features)
        cosine = F.cosine_similarity(rows, video_features.to(rows.dtype), dim=1)
        loss = ((1 - cosine) * known).mean()
        share = known.to(cosine.dtype).mean()
        mean = (cosine.detach() * known).mean() / share.clamp(min=1 / (2 * len(known)))
        return loss, {'video/cosine': mean, 'video/known': share}


def playback_rate_loss(
    predicted: torch.Tensor, rate: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Half the squared error of the playback rate (section 3.2), averaged over clips.

    Args:
        predicted: s of the head, ``[B]``.
        rate: Rate p that the clip was drawn with, ``[B]``.

    Returns:
        The loss; and ``rate/error``, the mean absolute error.
    """
    with torch.autocast(predicted.device.type, enabled=False):
        error = predicted.to(rate.dtype) - rate
        return error.square().mean() / 2, {'rate/error': error.detach().abs().mean()}
