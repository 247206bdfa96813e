"""Blocks of a window and fresh randomness per clip."""

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS
from mmengine.dataset import Compose


def results_of(num_clips, clip_len, size=(12, 16)):
    count = num_clips * clip_len
    imgs = [np.full((*size, 3), number, np.uint8) for number in range(count)]
    return dict(imgs=imgs, clip_len=clip_len, num_clips=num_clips, img_shape=size, modality='RGB')


def test_split_blocks_orders_windows_then_blocks():
    pipeline = Compose(
        [
            TRANSFORMS.build(dict(type='SplitBlocks', num_blocks=4)),
            TRANSFORMS.build(dict(type='FormatShape', input_format='NCTHW')),
        ]
    )
    out = pipeline(results_of(num_clips=2, clip_len=20))['imgs']
    assert out.shape == (8, 3, 5, 12, 16)  # [windows * blocks, C, T, H, W]
    np.testing.assert_array_equal(out[:, 0, :, 0, 0], np.arange(40).reshape(8, 5))


def test_split_blocks_errors():
    with pytest.raises(ValueError, match='40 frames cannot be split into 7 blocks'):
        TRANSFORMS.build(dict(type='SplitBlocks', num_blocks=7))(results_of(1, 40))
    with pytest.raises(ValueError, match='num_blocks must be a whole number'):
        TRANSFORMS.build(dict(type='SplitBlocks', num_blocks=0))


def test_per_clip_draws_once_per_clip():
    """mmaction2's Flip and crop: one draw for all clips, with PerClip one for each."""
    rng = np.random.default_rng(0)
    picture = rng.integers(256, size=(24, 32, 3), dtype=np.uint8)
    inner = [
        dict(type='RandomResizedCrop', area_range=(0.3, 1.0)),
        dict(type='Resize', scale=(16, 16), keep_ratio=False),
        dict(type='Flip', flip_ratio=0.5),
    ]

    def different(transforms):
        np.random.seed(3)
        results = dict(
            imgs=[picture.copy() for _ in range(12)],
            clip_len=2,
            num_clips=6,
            img_shape=(24, 32),
            modality='RGB',
        )
        results = Compose([TRANSFORMS.build(each) for each in transforms])(results)
        assert results['num_clips'] == 6 and results['img_shape'] == (16, 16)
        imgs = np.stack(results['imgs']).reshape(6, 2, -1)
        assert (imgs[:, 0] == imgs[:, 1]).all()  # the frames of one clip share their draw
        return len(np.unique(imgs[:, 0], axis=0))

    assert different(inner) == 1
    assert different([dict(type='PerClip', transforms=inner)]) == 6


def test_per_clip_errors():
    crop = TRANSFORMS.build(dict(type='PerClip', transforms=[dict(type='RandomResizedCrop')]))
    np.random.seed(0)
    with pytest.raises(ValueError, match='different shapes.*Resize'):
        crop(results_of(num_clips=4, clip_len=2, size=(40, 60)))
    results = results_of(num_clips=2, clip_len=2)
    results['imgs'] *= 3
    with pytest.raises(ValueError, match='put PerClip before'):
        crop(results)
