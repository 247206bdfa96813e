"""Several crops of every frame, for test time."""

from __future__ import annotations

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from mmssl_video.datasets.views import View

from .flip import mirrored


@TRANSFORMS.register_module()
class MultiCrop(BaseTransform):
    """Take the same crops of all frames; each crop is one more view of the sample.

    Crops are outermost: all frames of all windows in the first crop, then in the second, …, so
    that ``FormatShape('NCTHW')`` gives ``[crops * windows, C, T, H, W]``, and after ``SplitBlocks``
    ``[crops * windows * blocks, C, T, H, W]`` with blocks innermost.

    The *ten-crop* test of MemDPC (section 5.3, "center and four corner crops, w/o horizontal flip",
    read as "with and without") is ``crops='five', flip=True``.

    Required keys: ``imgs`` (list of ``[H, W, 3]`` uint8), ``num_clips``, ``modality``. Changed:
    ``imgs``, ``img_shape``, ``num_clips`` (times the number of crops). Added: ``crop_bbox`` (int
    ``[crops, 4]``: left, top, right, bottom) and ``flip`` (bool ``[crops]``).

    Args:
        crop_size: Side of a square crop, or (width, height), in pixels.
        crops: ``'center'``: one. ``'three'``: both ends and the middle of the long side, in the
            middle of the short one. ``'five'``: the centre and the four corners.
        flip: Add the mirror image of every crop, after all crops; of flow the negated u.

    Raises:
        ValueError: An argument makes no sense, or (at transform time) a crop is larger than the
            frames.
    """

    CROPS = ('center', 'three', 'five')

    def __init__(
        self, crop_size: int | tuple[int, int], crops: str = 'center', flip: bool = False
    ) -> None:
        size = (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)
        if len(size) != 2 or not all(isinstance(side, int) and side >= 1 for side in size):
            raise ValueError(
                'MultiCrop: crop_size is a whole number of pixels or (width, height), '
                f'got {crop_size!r}'
            )
        if crops not in self.CROPS:
            raise ValueError(f'MultiCrop: crops must be one of {self.CROPS}, got {crops!r}')
        self.crop_size = size
        self.crops = crops
        self.flip = flip

    def offsets(self, height: int, width: int) -> list[tuple[int, int]]:
        """(left, top) of the crops of a frame."""
        right, bottom = width - self.crop_size[0], height - self.crop_size[1]
        if right < 0 or bottom < 0:
            raise ValueError(
                f'MultiCrop: a crop of {self.crop_size[0]}x{self.crop_size[1]} does '
                f'not fit into frames of {width}x{height} (width x height); put a '
                'Resize before it'
            )
        middle = (right // 2, bottom // 2)
        if self.crops == 'center':
            return [middle]
        if self.crops == 'five':
            return [middle, (0, 0), (right, 0), (0, bottom), (right, bottom)]
        if width >= height:
            return [(0, middle[1]), middle, (right, middle[1])]
        return [(middle[0], 0), middle, (middle[0], bottom)]

    def describe(self, view: View) -> View:
        """Several crops of one size, which a record names."""
        count = dict(center=1, three=3, five=5)[self.crops]
        return view.cropped(
            self.crop_size,
            f'{self.crops} crop{"s" * (count > 1)} of',
            ' and their mirror images' * self.flip,
            crops=count * (1 + self.flip),
        )

    def transform(self, results: dict) -> dict:
        imgs = results['imgs']
        offsets = self.offsets(*imgs[0].shape[:2])
        boxes = np.array([(x, y, x + self.crop_size[0], y + self.crop_size[1]) for x, y in offsets])
        # copies: later transforms may work in place, and crops overlap
        out = [
            img[top:bottom, left:right].copy() for left, top, right, bottom in boxes for img in imgs
        ]
        if self.flip:
            out += [mirrored(img, results['modality']) for img in out]
            boxes = np.concatenate([boxes, boxes])
        results['imgs'] = out
        results['num_clips'] *= len(boxes)
        results['img_shape'] = out[0].shape[:2]
        results['crop_bbox'] = boxes
        results['flip'] = np.arange(len(boxes)) >= len(offsets)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(crop_size={self.crop_size}, crops={self.crops!r}, '
            f'flip={self.flip})'
        )
