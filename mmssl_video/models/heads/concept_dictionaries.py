"""FGKVMemPred's visual concept alignment: coupled dictionaries of the two encoders."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

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
    backbones' features from the codes (Eq. 6), and the online encoder's concept distribution
    follows the target encoder's, centred and sharpened (Eq. 7 and 8, as in DINO).

    Args:
        in_channels: Width d_proj of the projections z.
        feature_channels: Width d of the backbone's pooled features y.
        num_concepts: Number K of concepts; 4096 in section 3.3.
        hidden_channels: Width of the dictionaries' hidden layer; default ``feature_channels``.
        recon_weight: alpha of Eq. 9: 0.01 in the paper, 0.1 as released; two values weight the
            reconstructions of the online and of the target features differently.
        align_weight: beta of Eq. 9: 0.01.
        online_temperature, target_temperature: tau_s and tau_t of Eq. 7; the latter is as the
            former by default.
        recon_loss: ``'l2'``: squared distance (Eq. 6); ``'cosine'``: 1 - cos as released.
        recon_average: ``'batch'``: mean over clips; ``'elements'``: divided by the width of the
            features as well, as released.
        centring: ``'subtract'`` the centre as released and as DINO does, or ``'add'`` it as the
            paper prints, which sharpens what is common instead of removing it.
        centre_momentum: m of the centre's moving average.
        centre_update: ``'step'``: once per optimizer step (:meth:`update_centre`), by the codes of
            all clips since the last, so that accumulated batches act like one; ``'forward'``:
            after each batch of queries, twice per iteration, as released.
        cosine_codes: Codes are cosines of concepts and projections instead of dot products (an
            option of the released code).
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: For an unknown loss, average or centring, or a temperature that is not positive.
    """

    def __init__(
        self,
        in_channels: int = 256,
        feature_channels: int = 512,
        num_concepts: int = 4096,
        hidden_channels: int | None = None,
        recon_weight: float | Sequence[float] = 0.01,
        align_weight: float = 0.01,
        online_temperature: float = 0.05,
        target_temperature: float | None = None,
        recon_loss: str = 'l2',
        recon_average: str = 'batch',
        centring: str = 'subtract',
        centre_momentum: float = 0.9,
        centre_update: str = 'step',
        cosine_codes: bool = False,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        for name, value, choices in (
            ('recon_loss', recon_loss, ('l2', 'cosine')),
            ('recon_average', recon_average, ('batch', 'elements')),
            ('centring', centring, ('subtract', 'add')),
            ('centre_update', centre_update, ('step', 'forward')),
        ):
            if value not in choices:
                raise ValueError(f'concepts.{name} must be one of {choices}, got {value!r}')
        if target_temperature is None:
            target_temperature = online_temperature
        if not (online_temperature > 0 and target_temperature > 0):
            raise ValueError(
                'the temperatures of concepts must be positive, got '
                f'{online_temperature!r} and {target_temperature!r}'
            )
        self.in_channels, self.feature_channels = in_channels, feature_channels
        both = (recon_weight,) * 2 if isinstance(recon_weight, Real) else tuple(recon_weight)
        if len(both) != 2:
            raise ValueError(
                f'concepts.recon_weight must be one number or two, got {recon_weight!r}'
            )
        if num_concepts < 2:
            raise ValueError(f'concepts.num_concepts must be at least 2, not {num_concepts}')
        self.recon_weights, self.align_weight = both, align_weight
        self.online_temperature = online_temperature
        self.target_temperature = target_temperature
        self.recon_loss, self.recon_average = recon_loss, recon_average
        self.centring, self.centre_momentum = centring, centre_momentum
        self.centre_update = centre_update
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

    def _reconstruct(self, dictionary, codes, features):
        rebuilt, features = map(at_least_float32, (dictionary(codes), features.detach()))
        if self.recon_loss == 'l2':
            loss = (rebuilt - features).square().sum(1).mean()
        else:
            loss = (1 - F.cosine_similarity(rebuilt, features, dim=1)).mean()
        return loss / features.shape[1] if self.recon_average == 'elements' else loss

    def forward(
        self,
        online: torch.Tensor,
        target: torch.Tensor,
        online_features: torch.Tensor,
        target_features: torch.Tensor,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Concept loss of a batch of pairs of clips, Eq. (9).

        Args:
            online, target: Projections z of the online clip and of the target encoder's clip,
                ``[B, in_channels]``; the latter without gradient.
            online_features, target_features: Pooled backbone features y, ``[B,
                feature_channels]``; no gradient flows into them.

        Returns:
            The weighted loss, and its parts and what is worth watching.
        """
        online_codes = self.codes(online, self.online_concepts)
        target_codes = self.codes(target.detach(), self.target_concepts)
        source = self._reconstruct(self.online_dictionary, online_codes, online_features)
        goal = self._reconstruct(self.target_dictionary, target_codes, target_features)

        sign = -1 if self.centring == 'subtract' else 1
        detached = target_codes.detach()
        wanted = ((detached + sign * self.centre) / self.target_temperature).softmax(1)
        log_given = (online_codes / self.online_temperature).log_softmax(1)
        align = -(wanted * log_given).sum(1).mean()
        if self.training:
            self._note_codes(detached)
            if self.centre_update == 'forward':
                self.update_centre()
        entropy = torch.special.entr(log_given.detach().exp().mean(0)).sum()
        recon = self.recon_weights[0] * source + self.recon_weights[1] * goal
        return recon + self.align_weight * align, {
            'concepts/recon_online': source.detach(),
            'concepts/recon_target': goal.detach(),
            'concepts/align': align.detach(),
            'concepts/entropy': entropy / torch.log(entropy.new_tensor(len(self.centre))),
            'concepts/centre_norm': self.centre.norm(),
        }

    @torch.no_grad()
    def _note_codes(self, codes):
        self.pending[:-1] += codes.sum(0)
        self.pending[-1] += len(codes)

    @torch.no_grad()
    def update_centre(self) -> None:
        """``c <- m c + (1 - m) mean(q_tgt)``, the mean over the clips of all processes.

        Nothing happens when there were no clips since the last update.
        """
        all_reduce(self.pending)
        if self.pending[-1] > 0:
            self.centre.lerp_(self.pending[:-1] / self.pending[-1], 1 - self.centre_momentum)
        self.pending.zero_()
