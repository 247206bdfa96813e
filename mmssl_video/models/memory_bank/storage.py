"""Where the cells of a memory bank lie: beside the weights, or in a file of the work dir."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.logging import print_log
from torch import nn

from mmssl_video.atomic_files import open_atomic, reserve

KEY = 'temporal_memory_bank'  # in a checkpoint, and what files of a bank begin with
LARGE = 2**28  # bytes
DTYPES, STORAGES = ('float32', 'float16'), ('auto', 'buffer', 'mapped')


class CellTable(nn.Module):
    """The cells ``[num_videos, L, dim]``, as a buffer or mapped from a file.

    It is no parameter and no part of ``state_dict``: weights can be loaded without it.

    Args:
        num_cells: L.
        dim: Width of a cell.
        dtype: ``'float32'`` or ``'float16'``.
        storage: ``'buffer'``, ``'mapped'``, or ``'auto'``: mapped from 256 MiB on.
    """

    def __init__(self, num_cells: int, dim: int, dtype: str, storage: str):
        super().__init__()
        self.row, self.dtype, self.storage = (num_cells, dim), getattr(torch, dtype), storage
        self.file: Path | None = None  # of a mapped table, while it is in use
        self.cells: torch.Tensor | None
        self.register_buffer('cells', None, persistent=False)
        self._mapped: torch.Tensor | None = None

    @property
    def tensor(self) -> torch.Tensor:
        """The cells, wherever they are.

        Raises:
            ValueError: Nobody has said how many videos there are.
        """
        table = self.cells if self._mapped is None else self._mapped
        if table is None:
            raise ValueError(
                'the temporal memory bank does not know its videos: add '
                "dict(type='MethodHook') to custom_hooks"
            )
        return table

    def open(
        self, num_videos: int, folder: str | os.PathLike, device: torch.device | str | None
    ) -> None:
        """Make a table of zeros.

        Args:
            num_videos: Number of rows.
            folder: Where a mapped table lies; every process has a file of its own there.
            device: Of a buffer.
        """
        shape = (num_videos, *self.row)
        size = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        self.cells = self._mapped = self.file = None
        if self.storage == 'buffer' or (self.storage == 'auto' and size < LARGE):
            self.cells = torch.zeros(shape, dtype=self.dtype, device=device)
            return
        self.file = Path(folder) / f'{KEY}.rank{get_rank()}.live'
        self.file.unlink(missing_ok=True)
        self._map(self.file, shape)

    def _map(self, path: Path, shape: tuple[int, ...]) -> None:
        size = int(np.prod(shape, dtype=np.int64))
        reserve(path, size * self.dtype.itemsize)
        self._mapped = torch.from_file(str(path), shared=True, size=size, dtype=self.dtype).view(
            shape
        )

    def close(self) -> None:
        """Remove the file of a mapped table; what is mapped of it stays until the process ends."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)

    def state(self, file: str | os.PathLike | None) -> dict:
        """What a checkpoint needs: ``cells``, or ``file``, the name of one that is written now.

        Args:
            file: Where to write the cells of a mapped table, whole or not at all.

        Raises:
            ValueError: The table is mapped and there is no ``file``.
        """
        if self._mapped is None:
            return dict(cells=self.tensor.cpu().clone())
        if file is None:
            raise ValueError('a mapped memory bank needs a file to write its cells to')
        # read through the map, not the file: every platform agrees on what that holds
        with open_atomic(file) as target:
            for part in self._mapped.split(4096):
                target.write(part.numpy().tobytes())
        return dict(file=Path(file).name)

    def restore(self, state: dict, folder: str | os.PathLike) -> None:
        """Take the cells of :meth:`state`.

        Args:
            state: See there.
            folder: Where the file of a mapped table lies: beside the checkpoint.

        Raises:
            FileNotFoundError: The file is not there, or not whole.
            ValueError: It would lie in another folder.
        """
        table = self.tensor
        if 'cells' in state:
            table.copy_(state['cells'].view_as(table))
            return
        if Path(str(state['file'])).name != state['file']:
            raise ValueError(
                f'the checkpoint names {state["file"]!r} as the file of its memory bank, which '
                'would lie in another folder'
            )
        source = Path(folder) / state['file']
        size = table.numel() * table.element_size()
        if not source.is_file() or source.stat().st_size != size:
            raise FileNotFoundError(
                f'the temporal memory bank {source}, of {size} bytes, is not '
                'there or not whole: copy it together with the checkpoint'
            )
        if self._mapped is None or self.file is None:
            table.copy_(
                torch.from_file(
                    str(source), shared=False, size=table.numel(), dtype=table.dtype
                ).view_as(table)
            )
            return
        shape = table.shape
        del table
        self._mapped = None
        try:
            shutil.copyfile(source, self.file)
        except OSError as error:
            raise OSError(f'{source} cannot be copied to {self.file} ({error.strerror})') from None
        self._map(self.file, shape)


def fingerprint_of(names: Iterable[str]) -> str:
    """SHA-256 of the names of a list's videos, in their order; labels and folders do not count."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b'\n')
    return digest.hexdigest()


def remove_outdated(folder: str | os.PathLike) -> None:
    """Remove the files of banks that no checkpoint in the folder names."""
    banks = sorted(Path(folder).glob(f'{KEY}_*.bin'))
    if not banks:
        return
    named = set()
    for path in Path(folder).glob('*.pth'):
        try:
            saved = torch.load(str(path), 'cpu', mmap=True, weights_only=True)
        except Exception as error:  # a damaged file raises almost any kind of error
            print_log(
                f'{path} cannot be read ({str(error).splitlines()[0]}), so '
                f'no {KEY}_*.bin beside it is removed.',
                'current',
                logging.WARNING,
            )
            return
        named.add((saved.get(KEY) or {}).get('file'))
    for path in banks:
        if path.name not in named:
            path.unlink()
