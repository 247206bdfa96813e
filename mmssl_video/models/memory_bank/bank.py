"""SSTL's temporal memory bank: every video as a row of cells, one for each part of its time."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import nn

from .storage import DTYPES, STORAGES, CellTable


@MODELS.register_module()
class TemporalMemoryBank(nn.Module):
    """``[num_videos, L, dim]`` normalised features, moved by Eq. (1) and (2) (section 3.2).

    Column l stands for the time ``[(l - 1) / L, l / L)`` of a video. A clip at ``t / T`` moves the
    cell of its time, ``theta <- norm(m theta + (1 - m) h)``, and with ``strategy='neighbours'``
    (the paper's second) the others of its row, with another m. All clips of a video in one update
    count alike: the mean of what Eq. (1) gives for each, before the norm. So the order of clips,
    processes and accumulated batches does not matter.

    Cells are 0, or *empty*, until a first clip fills them (Eq. (1) then gives h itself). Empty
    cells are no negatives, and add nothing to the mean of a row.

    The bank is no parameter and no part of ``state_dict``: weights can be loaded without it.
    Its method gives it the list of videos, updates it after each optimizer step, saves and resumes
    it (:class:`SSTL`, by :class:`MethodHook`); :class:`CellTable` says where the cells lie.

    Args:
        dim: Width of a cell: of the projected features.
        num_cells: L; 2 in the paper for Kinetics-400, 1 is the common memory bank.
        momentum: m, for which the paper gives no figure; 0.5 as in instance discrimination.
        strategy: ``'neighbours'`` or ``'own'``, the cell of the clip's own time alone.
        attenuation: c of Eq. (2); 0.6 in the paper.
        neighbour_rule: ``'equation'``: the neighbours' momentum is ``(1 - d) c m``, as Eq. (2) is
            printed; they then move *more* than the clip's own cell. ``'rate'``: it is
            ``1 - (1 - d) c (1 - m)``: they move less, and less with the distance d, as the text
            above Eq. (1) says.
        dtype: ``'float32'``, or ``'float16'`` for half the size.
        storage: ``'buffer'``: beside the weights, on their device. ``'mapped'``: in a file of the
            work dir, of which only what is used is in RAM. ``'auto'``: mapped from 256 MiB on.

    Raises:
        ValueError: An argument makes no sense.
    """

    STRATEGIES, RULES = ('neighbours', 'own'), ('equation', 'rate')

    def __init__(
        self,
        dim: int = 512,
        num_cells: int = 2,
        momentum: float = 0.5,
        strategy: str = 'neighbours',
        attenuation: float = 0.6,
        neighbour_rule: str = 'equation',
        dtype: str = 'float32',
        storage: str = 'auto',
    ):
        super().__init__()
        for name, value, choices in (
            ('strategy', strategy, self.STRATEGIES),
            ('dtype', dtype, DTYPES),
            ('neighbour_rule', neighbour_rule, self.RULES),
            ('storage', storage, STORAGES),
        ):
            if value not in choices:
                raise ValueError(f'model.bank.{name} must be one of {choices}, not {value!r}')
        for name, count in (('dim', dim), ('num_cells', num_cells)):
            if not isinstance(count, int) or count < 1:
                raise ValueError(
                    f'model.bank.{name} must be a whole number of at least 1, not {count!r}'
                )
        if not 0 <= momentum < 1 or not 0 < attenuation <= 1:
            raise ValueError(
                'model.bank.momentum must lie in [0, 1) and attenuation in (0, 1], '
                f'not {momentum!r} and {attenuation!r}'
            )
        self.dim, self.num_cells = dim, num_cells
        self.momentum, self.strategy, self.attenuation = momentum, strategy, attenuation
        self.neighbour_rule, self.dtype = neighbour_rule, dtype
        self.fingerprint, self.seed, self.num_updates = '', 0, 0
        self.storage = CellTable(num_cells, dim, dtype, storage)
        self.filled = torch.zeros(0, num_cells, dtype=torch.bool)  # on the CPU, where it is asked

    # ---------------------------------------------------------------- the videos

    @property
    def num_videos(self) -> int:
        """Rows; 0 before :meth:`set_videos`."""
        return len(self.filled)

    @property
    def table(self) -> torch.Tensor:
        """The cells, ``[num_videos, L, dim]``, wherever they are.

        Raises:
            ValueError: Nobody has said how many videos there are.
        """
        return self.storage.tensor

    def set_videos(
        self,
        num_videos: int,
        fingerprint: str = '',
        seed: int = 0,
        folder: str | os.PathLike = '.',
        device: torch.device | str | None = None,
    ) -> None:
        """Make an empty bank.

        Args:
            num_videos: Number N of videos.
            fingerprint: Says which they are, and in which order.
            seed: Seed of the draws of negatives.
            folder: Where a mapped bank lies; every process has a file of its own there.
            device: Of a bank in a buffer.
        """
        self.fingerprint, self.seed, self.num_updates = fingerprint, seed, 0
        self.filled = torch.zeros(num_videos, self.num_cells, dtype=torch.bool)
        self.storage.open(num_videos, folder, device)

    def _rows(self, videos: torch.Tensor) -> torch.Tensor:
        """Video indices as they are needed to index the table.

        Raises:
            ValueError: There is no such video.
        """
        table = self.table
        videos = videos.to('cpu')
        if len(videos) and not 0 <= int(videos.min()) <= int(videos.max()) < len(table):
            raise ValueError(
                f'video {int(videos.max())} (or {int(videos.min())}) is not in the '
                f'temporal memory bank of {len(table)} videos: sample_idx must be the '
                'index in the training list'
            )
        return videos.to(table.device)

    # ---------------------------------------------------------------- reading

    def video_features(self, videos: torch.Tensor) -> torch.Tensor:
        """Mean of the rows of videos ``[J]``: ``[J, dim]``, float32; 0 where nothing is known."""
        return self.table[self._rows(videos)].float().mean(1)

    def draw(self, count: int, groups: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """Negatives: filled cells of videos that are not among the inputs, drawn uniformly.

        The draw depends on the seed and the number of updates only: it is the same on all processes
        and for all batches that are accumulated to one step. One draw serves all groups; each
        takes the first ``count`` cells of other videos than its own.

        Args:
            count: How many for each group; fewer where there are not so many.
            groups: Video indices of each group of clips that are contrasted with each other.

        Returns:
            Cells ``[K, dim]``, float32, and which of them are for which group, bool
            ``[len(groups), K]``.
        """
        table, cells = self.table, self.num_cells
        filled = np.flatnonzero(self.filled.numpy().reshape(-1))
        # all cells are put in order (milliseconds for a million), since a shorter draw of another
        # length would be another draw
        order = np.random.default_rng([self.seed, self.num_updates]).permutation(filled)
        most = count + max(len(np.unique(group)) for group in groups) * cells
        order = order[:most]
        valid = np.stack([~np.isin(order // cells, group) for group in groups])
        valid &= valid.cumsum(1) <= count
        used = valid.any(0)
        chosen = torch.from_numpy(order[used]).to(table.device)
        return table.flatten(0, 1)[chosen].float(), torch.from_numpy(valid[:, used])

    def statistics(self) -> dict[str, torch.Tensor]:
        """``bank/filled``: share of cells that hold a feature."""
        return {'bank/filled': self.filled.float().mean()}

    # ---------------------------------------------------------------- updating

    def momenta(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Momentum of every cell for clips at positions t / T ``[J]``: Eq. (2), ``[J, L]``.

        Returns:
            The momenta, and which cells are moved at all (bool ``[J, L]``).
        """
        columns = torch.arange(self.num_cells)
        positions = positions.double().cpu()
        own = (positions * self.num_cells).floor().long().clamp(0, self.num_cells - 1)
        is_own = own[:, None] == columns
        distance = ((2 * columns + 1) / (2 * self.num_cells) - positions[:, None]).abs()
        share = (1 - distance) * self.attenuation
        others = (
            share * self.momentum
            if self.neighbour_rule == 'equation'
            else 1 - share * (1 - self.momentum)
        )
        moved = is_own if self.strategy == 'own' else torch.ones_like(is_own)
        return torch.where(is_own, self.momentum, others).float(), moved

    @torch.no_grad()
    def update(self, videos: torch.Tensor, positions: torch.Tensor, features: torch.Tensor) -> None:
        """Move the cells of clips: Eq. (1) and (2), once per optimizer step.

        Every process must be given the same clips in the same order.

        Args:
            videos: Video of each clip, int64 ``[J]``.
            positions: t / T of each clip, ``[J]``.
            features: h of each clip, ``[J, dim]``, of any length.

        Raises:
            ValueError: There is no such video.
        """
        table = self.table
        videos = self._rows(videos)
        momenta, moved = (each.to(table.device) for each in self.momenta(positions))
        clips = F.normalize(features.to(table.device).float(), dim=1)
        rows, place, counts = torch.unique(videos, return_inverse=True, return_counts=True)
        old = table[rows].float()
        total = torch.zeros_like(old)
        touched = torch.zeros(old.shape[:2], dtype=torch.bool, device=old.device)
        # Clips of one video are added up one after the other: index_add_ on a GPU would round
        # differently on each process.
        order = place.argsort(stable=True)
        turn = torch.empty_like(order)
        turn[order] = torch.arange(len(order), device=order.device) - (
            counts.cumsum(0) - counts
        ).repeat_interleave(counts)
        for number in range(int(counts.max()) if len(counts) else 0):
            chosen = (turn == number).nonzero()[:, 0]
            at, m, is_moved = place[chosen], momenta[chosen][..., None], moved[chosen]
            blend = m * old[at] + (1 - m) * clips[chosen][:, None]
            total[at] += blend * is_moved[..., None]
            touched[at] |= is_moved
        # a row that cancels out has no direction and stays as it was
        touched &= total.norm(dim=2) > 1e-6
        table[rows] = torch.where(touched[..., None], F.normalize(total, dim=2), old).to(
            table.dtype
        )
        rows, touched = rows.cpu(), touched.cpu()
        self.filled[rows] |= touched
        self.num_updates += 1

    # ---------------------------------------------------------------- saving

    def state(self, file: str | os.PathLike | None = None) -> dict:
        """All that is needed to go on: numbers, text and tensors.

        Args:
            file: Where to write the cells of a mapped bank, whole or not at all; the state then
                holds its name. A bank in a buffer is in the state itself.
        """
        return dict(
            fingerprint=self.fingerprint,
            seed=self.seed,
            num_updates=self.num_updates,
            num_videos=self.num_videos,
            num_cells=self.num_cells,
            dim=self.dim,
            dtype=self.dtype,
            filled=self.filled.clone(),
            **self.storage.state(file),
        )

    def restore(self, state: dict, folder: str | os.PathLike = '.') -> None:
        """Go on from what :meth:`state` gave.

        Args:
            state: See there.
            folder: Where the file of a mapped bank lies: beside the checkpoint.

        Raises:
            ValueError: The list of videos, or a size, is not that of the saved bank.
            FileNotFoundError: The file that belongs to the checkpoint is not there.
        """
        for name in ('num_videos', 'num_cells', 'dim', 'dtype'):
            if state[name] != getattr(self, name):
                why = (
                    'the list of training videos has changed'
                    if name == 'num_videos'
                    else f'model.bank.{name} has changed'
                )
                raise ValueError(
                    f'the saved temporal memory bank has {name}={state[name]} but the '
                    f'run {name}={getattr(self, name)}: {why}; go back to it, or '
                    'start anew from the weights (load_from without resume)'
                )
        if state['fingerprint'] != self.fingerprint:
            raise ValueError(
                'the list of training videos has changed since the temporal memory '
                'bank was saved (other names or another order): go back to that '
                'list, or start anew from the weights (load_from without resume)'
            )
        self.seed, self.num_updates = int(state['seed']), int(state['num_updates'])
        self.filled = state['filled'].clone()
        self.storage.restore(state, folder)

    def extra_repr(self) -> str:
        return (
            f'{self.num_videos} videos, num_cells={self.num_cells}, dim={self.dim}, '
            f'momentum={self.momentum}, strategy={self.strategy!r}, '
            f'attenuation={self.attenuation}, neighbour_rule={self.neighbour_rule!r}'
        )
