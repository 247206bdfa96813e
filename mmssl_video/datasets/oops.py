"""Videos with the moment of a failure: the Oops dataset."""

from __future__ import annotations

import math

from mmaction.registry import DATASETS

from .transforms.unintentional import STEP_CLASSES
from .video_list import VideoListDataset


@DATASETS.register_module()
class OopsDataset(VideoListDataset):
    """Videos and the time at which an intentional action turns into an unintentional one.

    Oops (Epstein, Chen, Vondrick, CVPR 2020), as MemDPC uses it (section 5.7). One video per line,
    ``relative/path with spaces.mp4 SECONDS``. Samples carry ``failure_time`` (float, in seconds)
    and no class, ``label=-1``: :class:`LabelUnintentionalSteps` labels the blocks of a window,
    which :class:`SampleUnintentionalWindow` draws. Without these two the dataset serves
    self-supervised training, for which MemDPC uses the videos too.

    Args:
        ann_file: The list file.
        **kwargs: Arguments of :class:`VideoListDataset`, but ``num_classes`` and ``classes``.

    Raises:
        ValueError: A line does not end in a time of at least 0.
    """

    METAINFO = dict(classes=list(STEP_CLASSES))

    def load_data_list(self) -> list[dict]:
        """Read the list file (called by mmengine)."""
        return [
            dict(info, failure_time=info['label'], label=-1) for info in super().load_data_list()
        ]

    def _parse_line(self, line: str, number: int):
        path, _, last = line.replace('\t', ' ').rpartition(' ')
        try:
            seconds = float(last)
        except ValueError:
            seconds = math.nan
        path = line[: len(path)].rstrip()
        if not path or not 0 <= seconds < math.inf:
            raise ValueError(
                f'{self.ann_file}, line {number}: {line!r} is no "path SECONDS": it '
                'must end in the time of the failure, a number of at least 0'
            )
        return path, seconds
