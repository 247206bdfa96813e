"""FGKVMemPred's visual concept alignment: coupled dictionaries of the two encoders."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmengine.dist import all_reduce
from mmengine.model import BaseModule
from torch import nn

from ..losses.precision import at_least_float32
from .predictor import norm_mlp


@MODELS.register_module()
class ConceptDictionaries(BaseModule):
    """Aligns the visual concepts of two clips of a video (FGKVMemPred section 3.3).

    Code generators turn the projections into concept codes (Eq. 5), dictionaries rebuild the
    backbones' features from the codes (Eq. 6). What is asked of both is for
    :class:`ConceptReconstructionLoss` and :class:`ConceptAlignmentLoss`; the centre that the latter
    needs is a moving average kept here.

    Args:
        in_channels: Width d_proj of the projections z.
        feature_channels: Width d of the backbone's pooled features y.
        num_concepts: Number K of concepts; 4096 in section 3.3.
        hidden_channels: Width of the dictionaries' hidden layer; default ``feature_channels``.
        centre_momentum: m of the centre's moving average.
        centre_update: ``'step'``: once per optimizer step (:meth:`update_centre`), by the codes of
            all clips since the last, so that accumulated batches act like one; ``'forward'``:
            after each batch of queries, twice per iteration, as released.
        cosine_codes: Codes are cosines of concepts and projections instead of dot products (an
            option of the released code).
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: For an unknown ``centre_update``, or fewer than 2 concepts.
    """

    def __init__(
        self,
        in_channels: int = 256,
        feature_channels: int = 512,
        num_concepts: int = 4096,
        hidden_channels: int | None = None,
        centre_momentum: float = 0.9,
        centre_update: str = 'step',
        cosine_codes: bool = False,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        if centre_update not in ('step', 'forward'):
            raise ValueError(
                f"concepts.centre_update must be 'step' or 'forward', got {centre_update!r}"
            )
        self.in_channels, self.feature_channels = in_channels, feature_channels
        if num_concepts < 2:
            raise ValueError(f'concepts.num_concepts must be at least 2, not {num_concepts}')
        self.centre_momentum, self.centre_update = centre_momentum, centre_update
        self.cosine_codes = cosine_codes
        hidden = hidden_channels or feature_channels
        self.online_concepts = nn.Parameter(torch.empty(num_concepts, in_channels))
        self.target_concepts = nn.Parameter(torch.empty(num_concepts, in_channels))
        for concepts in (self.online_concepts, self.target_concepts):
            nn.init.normal_(concepts, std=0.01)
        self.online_dictionary = norm_mlp(num_concepts, hidden, feature_channels)
        self.target_dictionary = norm_mlp(num_concepts, hidden, feature_channels)
        self.register_buffer('centre', torch.zeros(num_concepts))
        # sum and number of the codes since the last update
        self.register_buffer('pending', torch.zeros(num_concepts + 1), persistent=False)

    def codes(self, projection: torch.Tensor, concepts: torch.Tensor) -> torch.Tensor:
        """Concept codes, Eq. (5): projections ``[B, in_channels]`` to ``[B, num_concepts]``."""
        if self.cosine_codes:
            projection, concepts = F.normalize(projection, dim=1), F.normalize(concepts, dim=1)
        return at_least_float32(projection @ concepts.T)

    def freeze_unused(self, reconstructs: bool, aligns: bool) -> None:
        """Take the gradient from what no loss reaches, or several processes would wait for it."""
        for part in (self.online_dictionary, self.target_dictionary, self.target_concepts):
            part.requires_grad_(reconstructs)
        self.online_concepts.requires_grad_(reconstructs or aligns)

    def forward(self, online: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Concept codes of both encoders.

        Args:
            online, target: Projections z of the online clip and of the target encoder's clip,
                ``[B, in_channels]``; no gradient flows into the latter.

        Returns:
            ``[2, B, num_concepts]``.
        """
        return torch.stack(
            [
                self.codes(online, self.online_concepts),
                self.codes(target.detach(), self.target_concepts),
            ]
        )

    def rebuild(self, codes: torch.Tensor) -> torch.Tensor:
        """What the dictionaries make of codes ``[2, B, num_concepts]``, Eq. (6): ``[2, B, d]``."""
        return torch.stack([self.online_dictionary(codes[0]), self.target_dictionary(codes[1])])

    @torch.no_grad()
    def note(self, codes: torch.Tensor) -> None:
        """Let the centre learn, now or at the step, from the target's codes ``[B, K]``."""
        self.pending[:-1] += codes.sum(0)
        self.pending[-1] += len(codes)
        if self.centre_update == 'forward':
            self.update_centre()

    @torch.no_grad()
    def update_centre(self) -> None:
        """``c <- m c + (1 - m) mean(q_tgt)``, the mean over the clips of all processes.

        Nothing happens when there were no clips since the last update.
        """
        all_reduce(self.pending)
        if self.pending[-1] > 0:
            self.centre.lerp_(self.pending[:-1] / self.pending[-1], 1 - self.centre_momentum)
        self.pending.zero_()
