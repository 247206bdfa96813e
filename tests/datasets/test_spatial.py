"""mmaction2's crop, resize and flip, as our training pipelines use them: one draw per clip."""

from __future__ import annotations

import random

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS

CROP = dict(type='RandomResizedCrop', area_range=(0.5, 1.0), aspect_ratio_range=(3 / 4, 4 / 3))
SPATIAL = [
    CROP,
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='Resize', scale=(128, 128), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
]


def ramp(height: int, width: int) -> np.ndarray:
    """A frame whose red is its row and green its column, [H, W, 3] uint8."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, 0 * x], -1).astype(np.uint8)


def run(pipeline, frames, seed):
    random.seed(seed)
    np.random.seed(seed)
    results = dict(
        imgs=[f.copy() for f in frames],
        img_shape=frames[0].shape[:2],
        original_shape=frames[0].shape[:2],
        modality='RGB',
        clip_len=len(frames),
        num_clips=1,
    )
    for cfg in pipeline:
        results = TRANSFORMS.build(cfg)(results)
    return results


@pytest.mark.parametrize('seed', range(6))
def test_one_draw_per_clip(seed):
    frames = run(SPATIAL, [ramp(96, 128)] * 10, seed)['imgs']
    assert all(f.shape == (128, 128, 3) for f in frames)
    assert all(np.array_equal(f, frames[0]) for f in frames)


def test_clips_get_draws_of_their_own():
    looks = {run(SPATIAL, [ramp(96, 128)], seed)['imgs'][0].tobytes() for seed in range(10)}
    assert len(looks) == 10


def test_area_and_aspect_of_the_crop():
    shapes = np.array([run([CROP], [ramp(160, 200)], seed)['img_shape'] for seed in range(400)])
    area = shapes.prod(1) / (160 * 200)
    aspect = shapes[:, 1] / shapes[:, 0]
    assert area.min() > 0.49 and area.max() <= 1.0
    assert aspect.min() > 0.74 and aspect.max() < 1.35
    assert area.min() < 0.53 and area.max() > 0.9
    assert aspect.min() < 0.8 and aspect.max() > 1.27


def test_crop_shows_the_place_it_names():
    results = run([CROP], [ramp(160, 200)], 3)
    left, top, right, bottom = results['crop_bbox']
    assert np.array_equal(results['imgs'][0], ramp(160, 200)[top:bottom, left:right])


def test_flip_share_and_direction():
    flips = 0
    for seed in range(300):
        results = run([SPATIAL[3]], [ramp(8, 16)] * 2, seed)
        mirrored = [np.array_equal(f, ramp(8, 16)[:, ::-1]) for f in results['imgs']]
        assert len(set(mirrored)) == 1 and mirrored[0] == results['flip']
        flips += mirrored[0]
    assert 115 < flips < 185


def test_whole_training_chain_keeps_shape_and_type():
    """Crop, both resizes, flip, then grey and jitter per frame: uint8, all frames differ."""
    chain = [
        *SPATIAL,
        dict(type='VideoRandomGray', p=0.25),
        dict(type='VideoColorJitter', consistent='frame'),
    ]
    frames = run(chain, [ramp(96, 128)] * 10, 0)['imgs']
    assert all(f.dtype == np.uint8 and f.shape == (128, 128, 3) for f in frames)
    assert len({f.tobytes() for f in frames}) == 10
