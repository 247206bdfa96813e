"""Several lists of the same videos as one, so that each video is read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.utils.data import Dataset


class UnionDataset(Dataset):
    """Every file of several datasets once, in the order in which they first occur.

    Args:
        datasets: With ``get_data_info`` and ``view``, and one pipeline for all.
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        places: dict[str, tuple[Any, int]] = {}
        for dataset in datasets:
            for i in range(len(dataset)):
                places.setdefault(str(dataset.get_data_info(i)['filename']), (dataset, i))
        self.places = list(places.values())
        self.view = datasets[0].view

    def __len__(self) -> int:
        return len(self.places)

    def get_data_info(self, index: int) -> dict:
        """What the first list with this file says of it."""
        dataset, i = self.places[index]
        return dataset.get_data_info(i)

    def __getitem__(self, index: int) -> dict:
        dataset, i = self.places[index]
        return dataset[i]
