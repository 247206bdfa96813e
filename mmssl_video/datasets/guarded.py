"""Samples of a strict dataset, in which a bad video is no error but says its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.utils.data import Dataset

from mmssl_video.datasets.errors import BadVideoError

#: What samples say of their file, beside the frames, for baselines without a network.
FILE_INFO = ('total_frames', 'original_shape')


class Guarded(Dataset):
    """Samples with their index, label and name, or with the ``reason`` why they cannot be read.

    Items hold ``index``, ``name`` (the file), ``label`` and ``entry``; and either ``inputs`` and
    ``info``, or ``reason``.

    Args:
        dataset: Strict, with ``get_data_info``: its ``__getitem__`` raises :class:`BadVideoError`.
        keys: What of a sample's data is handed on as ``info``, where it is there.
        entry_keys: What of the list's entry is handed on as ``entry``, where it is there.
        check: Is given ``entry`` and ``info``; raises :class:`BadVideoError` for what cannot be
            used though it can be read.
    """

    def __init__(
        self,
        dataset: Any,
        keys: Sequence[str] = FILE_INFO,
        entry_keys: Sequence[str] = (),
        check: Callable[[dict, dict], None] | None = None,
    ) -> None:
        self.dataset, self.keys, self.entry_keys = dataset, keys, entry_keys
        self.check = check

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        listed = self.dataset.get_data_info(index)
        item: dict[str, Any] = dict(
            index=index,
            name=str(listed['filename']),
            label=int(listed.get('label', -1)),
            entry={key: listed[key] for key in self.entry_keys if key in listed},
        )
        try:
            sample = self.dataset[index]
            known = getattr(sample.get('data_samples'), 'metainfo', {})
            info = {key: known[key] for key in self.keys if key in known}
            if self.check is not None:
                self.check(item['entry'], info)
            item.update(inputs=sample['inputs'], info=info)
        except BadVideoError as error:
            item['reason'] = error.reason or str(error)
        return item
