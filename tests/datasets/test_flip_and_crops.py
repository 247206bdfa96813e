"""Flips and crops of RGB and flow, beside mmaction2's where these are right."""

from __future__ import annotations

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS


def frames(count, height=24, width=32, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def sample(imgs, clip_len=None, num_clips=1, modality='RGB'):
    return dict(
        imgs=[img.copy() for img in imgs],
        modality=modality,
        num_clips=num_clips,
        clip_len=clip_len or len(imgs) // num_clips,
        img_shape=imgs[0].shape[:2],
        original_shape=imgs[0].shape[:2],
    )


def run(cfg, results):
    return TRANSFORMS.build(cfg)(results)


# ------------------------------------------------------------------------------ flips


@pytest.mark.parametrize('seed', range(4))
def test_flip_of_rgb_is_that_of_mmaction2_draw_for_draw(seed):
    outcomes = []
    for kind in ('VideoFlip', 'Flip'):
        np.random.seed(seed)
        for _ in range(8):
            out = run(dict(type=kind, flip_ratio=0.6), sample(frames(3)))
            outcomes.append(
                (bool(out['flip']), out['flip_direction'], np.stack(out['imgs']).tobytes())
            )
    assert outcomes[:8] == outcomes[8:]
    assert len({flip for flip, *_ in outcomes}) == 2


def test_flip_of_flow_negates_u_of_every_frame():
    imgs = frames(4)
    for img in imgs:
        img[..., 2] = 128
    out = run(dict(type='VideoFlip', flip_ratio=1), sample(imgs, modality='Flow'))['imgs']
    for before, after in zip(imgs, out):
        assert np.array_equal(after[..., 0], 255 - before[:, ::-1, 0])
        assert np.array_equal(after[..., 1], before[:, ::-1, 1])
        assert (after[..., 2] == 128).all()
    again = run(dict(type='VideoFlip', flip_ratio=1), sample(out, modality='Flow'))['imgs']
    assert all(np.array_equal(a, b) for a, b in zip(imgs, again))
    kept = run(dict(type='VideoFlip', flip_ratio=0), sample(imgs, modality='Flow'))
    assert not kept['flip'] and all(np.array_equal(a, b) for a, b in zip(imgs, kept['imgs']))


def test_flip_leaves_the_given_frames_alone():
    imgs = frames(2)
    results = dict(sample(imgs, modality='Flow'), imgs=imgs)
    before = [img.copy() for img in imgs]
    run(dict(type='VideoFlip', flip_ratio=1), results)
    assert all(np.array_equal(a, b) for a, b in zip(imgs, before))


def test_flips_inside_perclip_are_drawn_for_each_clip():
    cfg = dict(type='PerClip', transforms=[dict(type='VideoFlip', flip_ratio=0.5)])
    imgs = frames(40)
    np.random.seed(0)
    out = run(cfg, sample(imgs, clip_len=2, num_clips=20, modality='RGB'))['imgs']
    flipped = [np.array_equal(a, b[:, ::-1]) for a, b in zip(imgs, out)]
    assert flipped[::2] == flipped[1::2] and 4 < sum(flipped[::2]) < 16


def test_flip_ratio_is_a_probability():
    with pytest.raises(ValueError, match='flip_ratio is a probability'):
        TRANSFORMS.build(dict(type='VideoFlip', flip_ratio=2))


# ------------------------------------------------------------------------------ crops


def as_set(imgs, clip):
    """The clips as a multiset, whatever the order of the crops."""
    return sorted(np.stack(imgs[i : i + clip]).tobytes() for i in range(0, len(imgs), clip))


@pytest.mark.parametrize('height, width', [(24, 32), (32, 24), (24, 24)])
def test_three_crops_are_those_of_mmaction2(height, width):
    imgs = frames(6, height, width)
    ours = run(dict(type='MultiCrop', crop_size=24, crops='three'), sample(imgs))
    theirs = run(dict(type='ThreeCrop', crop_size=24), sample(imgs))
    assert as_set(ours['imgs'], 6) == as_set(theirs['imgs'], 6)
    assert ours['img_shape'] == (24, 24) and ours['num_clips'] == 3


@pytest.mark.parametrize('height, width', [(24, 32), (32, 24)])
def test_ten_crops_are_those_of_mmaction2(height, width):
    imgs = frames(4, height, width)
    ours = run(dict(type='MultiCrop', crop_size=16, crops='five', flip=True), sample(imgs))
    theirs = run(dict(type='TenCrop', crop_size=16), sample(imgs))
    assert len(ours['imgs']) == 40
    assert as_set(ours['imgs'], 4) == as_set(theirs['imgs'], 4)


def test_center_is_that_of_mmaction2_and_corners_reach_the_edge():
    imgs = frames(2, 25, 33)
    ours = run(dict(type='MultiCrop', crop_size=(20, 16)), sample(imgs))
    theirs = run(dict(type='CenterCrop', crop_size=(20, 16)), sample(imgs))
    assert as_set(ours['imgs'], 2) == as_set(theirs['imgs'], 2)
    five = run(dict(type='MultiCrop', crop_size=(20, 16), crops='five'), sample(imgs))
    assert five['crop_bbox'].tolist() == [
        [6, 4, 26, 20],
        [0, 0, 20, 16],
        [13, 0, 33, 16],
        [0, 9, 20, 25],
        [13, 9, 33, 25],
    ]
    for i, (left, top, right, bottom) in enumerate(five['crop_bbox']):
        for t in range(2):
            assert np.array_equal(five['imgs'][2 * i + t], imgs[t][top:bottom, left:right])


def test_mirror_images_of_flow_negate_u():
    imgs = frames(3)
    out = run(
        dict(type='MultiCrop', crop_size=16, crops='five', flip=True), sample(imgs, modality='Flow')
    )
    assert out['flip'].tolist() == [False] * 5 + [True] * 5
    for plain, flipped in zip(out['imgs'][:15], out['imgs'][15:]):
        assert np.array_equal(flipped[..., 0], 255 - plain[:, ::-1, 0])
        assert np.array_equal(flipped[..., 1:], plain[:, ::-1, 1:])


def test_order_is_crops_then_windows_then_blocks():
    """Frame f of window w, seen in crop c, ends up where [crops, windows, blocks, T] says."""
    windows, blocks, length, crops = 3, 4, 2, 10
    imgs = []
    for number in range(windows * blocks * length):
        y, x = np.mgrid[:24, :32]
        imgs.append(np.stack([np.full_like(x, number), y, x], -1).astype(np.uint8))
    results = sample(imgs, clip_len=blocks * length, num_clips=windows)
    for cfg in (
        dict(type='MultiCrop', crop_size=16, crops='five', flip=True),
        dict(type='SplitBlocks', num_blocks=blocks),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ):
        results = run(cfg, results)
    inputs = results['inputs']
    assert inputs.shape == (crops * windows * blocks, 3, length, 16, 16)
    inputs = inputs.reshape(crops, windows, blocks, 3, length, 16, 16)
    corners = [(8, 4), (0, 0), (16, 0), (0, 8), (16, 8)]
    for c in range(crops):
        left, top = corners[c % 5]
        columns = np.arange(left, left + 16)[:: -1 if c >= 5 else 1]
        for w in range(windows):
            for b in range(blocks):
                for t in range(length):
                    red, green, blue = inputs[c, w, b, :, t].numpy()
                    assert (red == (w * blocks + b) * length + t).all()
                    assert (green == np.arange(top, top + 16)[:, None]).all()
                    assert (blue == columns).all()


def test_crops_are_copies():
    out = run(dict(type='MultiCrop', crop_size=24, crops='three'), sample(frames(1, 24, 32)))
    before = out['imgs'][1].copy()
    out['imgs'][0][:] = 0
    assert np.array_equal(out['imgs'][1], before)


@pytest.mark.parametrize(
    'arguments, words',
    [
        (dict(crop_size=16, crops='ten'), 'crops must be one of'),
        (dict(crop_size=0), 'crop_size is a whole number'),
        (dict(crop_size=(1, 2, 3)), 'crop_size is a whole number'),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        TRANSFORMS.build(dict(type='MultiCrop', **arguments))


def test_crop_larger_than_the_frames():
    with pytest.raises(ValueError, match=r'crop of 28x28 does not fit into frames of 32x24'):
        run(dict(type='MultiCrop', crop_size=28), sample(frames(1)))
