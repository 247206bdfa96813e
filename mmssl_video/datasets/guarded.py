"""Strict datasets for tests, and their samples, in which a bad video says its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mmaction.registry import DATASETS
from mmengine.registry import init_default_scope
from torch.utils.data import Dataset

from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.pipelines import steps_of, with_meta_keys
from mmssl_video.datasets.views import View, view_after

#: What samples say of their file, beside the frames, for baselines without a network.
FILE_INFO = ('total_frames', 'original_shape')


def build_dataset(config: dict) -> Any:
    """Dataset of a config, in test mode: a bad video is an error, which :class:`Guarded` names.

    Samples also carry what trivial baselines need to know of a file (:data:`FILE_INFO`), and the
    dataset knows what its pipeline shows of a video, as ``view``.

    Raises:
        ValueError: The config has no pipeline, or one that does not end by packing; an empty one
            is for a dataset whose list alone is looked at.
    """
    config = dict(config)
    if 'pipeline' not in config:
        raise ValueError(
            'the dataset config has no pipeline: features need one that ends in PackActionInputs'
        )
    steps = steps_of(config['pipeline'])
    config.update(test_mode=True, pipeline=with_meta_keys(steps, FILE_INFO) if steps else [])
    config.pop('on_error', None)
    init_default_scope('mmaction')
    dataset = DATASETS.build(config)
    if not hasattr(dataset, 'view'):  # ours say it themselves
        seen = View(modality=config.get('modality', 'RGB'))
        dataset.view = view_after(dataset.pipeline.transforms, seen)
    return dataset


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
