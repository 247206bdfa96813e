"""Colour transforms against a slow, plain float twin, and their draws."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmaction.registry import TRANSFORMS
from PIL import Image, ImageEnhance

from mmssl_video.benchmark.sections import pil_jitter
from mmssl_video.datasets.transforms import color
from mmssl_video.datasets.transforms.color import VideoColorJitter, VideoRandomGray

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = np.array([0.299, 0.587, 0.114])


def frame(kind: str, seed: int = 0, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Frames of several kinds: [H, W, 3] uint8, full range."""
    rng = np.random.default_rng(seed)
    if kind == 'noise':
        return rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    if kind == 'grey':
        return np.repeat(rng.integers(0, 256, (*size, 1), dtype=np.uint8), 3, axis=2)
    img = cv2.GaussianBlur(rng.random((*size, 3)), (0, 0), 4)
    img = (img - img.min()) / (img.max() - img.min())
    if kind == 'dark':
        img *= 0.2
    return np.rint(img * 255).astype(np.uint8)


# -- the twin: float64 in [0, 255], clipped after each operation, rounded too if asked ----------
def hue_twin(img: np.ndarray, turns: float) -> np.ndarray:
    """Textbook RGB -> HSV -> RGB (as colorsys), vectorised."""
    r, g, b = np.moveaxis(img, -1, 0)
    value, low = img.max(-1), img.min(-1)
    chroma = value - low
    safe = np.where(chroma == 0, 1, chroma)
    hue = np.where(
        value == r, (g - b) / safe, np.where(value == g, 2 + (b - r) / safe, 4 + (r - g) / safe)
    )
    hue = np.where(chroma == 0, 0, hue) + 6 * turns
    out = []
    for offset in (5, 3, 1):  # red, green, blue
        k = (offset + hue) % 6
        out.append(value - chroma * np.clip(np.minimum(k, 4 - k), 0, 1))
    return np.stack(out, -1)


TWINS = dict(
    brightness=lambda img, f: f * img,
    contrast=lambda img, f: f * img + (1 - f) * np.floor(np.rint(img @ WEIGHTS).mean() + 0.5),
    saturation=lambda img, f: f * img + (1 - f) * (img @ WEIGHTS)[..., None],
    hue=hue_twin,
)


def jitter_twin(img: np.ndarray, steps, rounded: bool) -> np.ndarray:
    out = img.astype(np.float64)
    for name, amount in steps:
        out = np.clip(TWINS[name](out, amount), 0, 255)
        if rounded:
            out = np.rint(out)
    return out


def drawn_steps(seed: int):
    """What the transform draws for one frame, read off its own global generator."""
    record = []
    jitter = VideoColorJitter()
    spies = {
        name: (lambda img, amount, name=name: record.append((name, amount)) or img)
        for name in color.ADJUST
    }
    np.random.seed(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(color, 'ADJUST', spies)
        jitter.transform(dict(imgs=[frame('smooth')]))
    return record


def apply(transform, imgs, seed=None, **extra):
    if seed is not None:
        np.random.seed(seed)
    return transform.transform(dict(imgs=imgs, **extra))['imgs']


# -- agreement ----------------------------------------------------------------------------------
@pytest.mark.parametrize('kind', ['smooth', 'noise', 'dark', 'grey'])
@pytest.mark.parametrize('rounded', [True, False])
def test_jitter_agrees_with_float_twin(kind, rounded):
    errors = []
    for seed in range(40):
        img = frame(kind, seed)
        steps = drawn_steps(seed)
        assert sorted(name for name, _ in steps) == sorted(TWINS)
        out = apply(VideoColorJitter(), [img], seed)[0]
        errors.append(np.abs(out - jitter_twin(img, steps, rounded)))
    errors = np.stack(errors)
    assert errors.mean() < 0.6
    assert (errors <= 4).mean() >= 0.999
    assert errors.reshape(40, -1).mean(1).max() < 1  # no single frame is off


def test_order_of_operations_matters_and_is_kept():
    """The twin in another order is far away: the agreement above is not blind to the order."""
    img = frame('smooth', 3)
    steps = [('brightness', 1.5), ('contrast', 0.5), ('saturation', 1.5), ('hue', 0.2)]
    far = np.abs(jitter_twin(img, steps, True) - jitter_twin(img, steps[::-1], True))
    assert far.mean() > 3


@pytest.mark.parametrize('turns', [-0.5, -0.25, -0.01, 0.0, 0.1, 0.25, 0.5])
def test_hue_scale(turns):
    img = frame('noise', 1)
    errors = np.abs(color.adjust_hue(img, turns) - hue_twin(img.astype(float), turns))
    assert errors.max() <= 0.75


def test_hue_turns_are_of_the_whole_wheel():
    red = np.full((2, 2, 3), (200, 10, 10), np.uint8)
    assert (color.adjust_hue(red, 1 / 3) == (10, 200, 10)).all()
    assert (color.adjust_hue(red, -1 / 3) == (10, 10, 200)).all()
    assert (color.adjust_hue(red, 0.5) == (10, 200, 200)).all()


@pytest.mark.parametrize(
    'name,enhance',
    [
        ('brightness', ImageEnhance.Brightness),
        ('contrast', ImageEnhance.Contrast),
        ('saturation', ImageEnhance.Color),
    ],
)
@pytest.mark.parametrize('factor', [0.0, 0.5, 1.0, 1.5])
def test_single_operations_are_pils(name, enhance, factor):
    """PIL cuts off where we round: at most one step apart."""
    img = frame('smooth', 2)
    pil = np.asarray(enhance(Image.fromarray(img)).enhance(factor)).astype(int)
    ours = color.ADJUST[name](img, factor).astype(int)
    assert np.abs(pil - ours).max() <= (2 if name == 'saturation' else 1)


# -- draws --------------------------------------------------------------------------------------
def test_ranges_of_the_draws():
    steps = [drawn_steps(seed) for seed in range(400)]
    for name, low, high in [
        ('brightness', 0.5, 1.5),
        ('contrast', 0.5, 1.5),
        ('saturation', 0.5, 1.5),
        ('hue', -0.25, 0.25),
    ]:
        values = np.array([dict(s)[name] for s in steps])
        assert values.min() >= low and values.max() <= high
        span = high - low
        assert values.min() < low + 0.03 * span and values.max() > high - 0.03 * span
        assert abs(values.mean() - (low + high) / 2) < 0.06 * span
    orders = {tuple(name for name, _ in s) for s in steps}
    assert len(orders) == 24


def test_wide_factors_do_not_go_below_zero():
    assert VideoColorJitter(brightness=3).ranges['brightness'] == (0.0, 4.0)


@pytest.mark.parametrize(
    'make', [VideoColorJitter, lambda **kw: VideoRandomGray(p=1.0, mode='channel', **kw)]
)
def test_frame_draws_differ_and_clip_draws_do_not(make):
    img = frame('smooth')
    frames = apply(make(consistent='frame'), [img] * 12, 0)
    assert len({f.tobytes() for f in frames}) >= 3
    clip = apply(make(consistent='clip'), [img] * 12, 0)
    assert len({f.tobytes() for f in clip}) == 1


def test_clip_draws_are_per_clip_of_a_sample():
    img = frame('smooth')
    out = apply(VideoColorJitter(consistent='clip'), [img] * 12, 0, clip_len=4, num_clips=3)
    looks = [f.tobytes() for f in out]
    assert len(set(looks)) == 3
    assert all(len(set(looks[i : i + 4])) == 1 for i in (0, 4, 8))


@pytest.mark.parametrize('consistent,unit', [('frame', 1), ('clip', 4)])
@pytest.mark.parametrize('make', [VideoColorJitter, VideoRandomGray])
def test_probability(make, consistent, unit):
    img = frame('smooth')
    imgs = [img] * 1600
    out = apply(make(p=0.25, consistent=consistent), imgs, 0, clip_len=4)
    changed = np.array([not np.array_equal(f, img) for f in out])
    per_unit = changed.reshape(-1, unit)
    assert (per_unit == per_unit[:, :1]).all()
    share = per_unit[:, 0].mean()
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / len(per_unit))
    assert apply(make(p=0.0, consistent=consistent), imgs[:8], 0)[0] is img


def test_grey_modes():
    img = frame('noise')
    grey = apply(VideoRandomGray(p=1.0, mode='luminance'), [img])[0]
    assert np.abs(grey - (img @ WEIGHTS)[..., None]).max() <= 0.51
    seen = set()
    for out in apply(VideoRandomGray(p=1.0, mode='channel'), [img] * 40, 0):
        match = [c for c in range(3) if (out == img[..., c : c + 1]).all()]
        assert len(match) == 1
        seen.add(match[0])
    assert seen == {0, 1, 2}


def test_same_seed_same_result_and_input_untouched():
    img = frame('smooth')
    before = img.copy()
    pipeline = [
        TRANSFORMS.build(dict(type='VideoRandomGray')),
        TRANSFORMS.build(dict(type='VideoColorJitter')),
    ]
    runs = []
    for _ in range(2):
        np.random.seed(5)
        results = dict(imgs=np.stack([img] * 6))
        for transform in pipeline:
            results = transform(results)
        assert isinstance(results['imgs'], np.ndarray)
        runs.append(results['imgs'])
    assert np.array_equal(runs[0], runs[1])
    assert np.array_equal(img, before)


# -- wrong values -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    'make,kwargs,words',
    [
        (VideoColorJitter, dict(brightness=-0.1), 'brightness is one number at least 0'),
        (VideoColorJitter, dict(contrast='0.5'), 'contrast'),
        (VideoColorJitter, dict(saturation=(0.5, 1.5)), 'saturation'),
        (VideoColorJitter, dict(hue=0.6), r'hue is one number in \[0, 0.5\]'),
        (VideoColorJitter, dict(hue=float('nan')), 'hue'),
        (VideoColorJitter, dict(p=1.5), 'probability'),
        (VideoColorJitter, dict(consistent='video'), 'consistent'),
        (VideoRandomGray, dict(p=-1), 'probability'),
        (VideoRandomGray, dict(mode='lightness'), 'mode'),
    ],
)
def test_wrong_values_are_named_at_construction(make, kwargs, words):
    with pytest.raises(ValueError, match=words) as info:
        make(**kwargs)
    assert '\n' not in str(info.value)


def test_wrong_input():
    with pytest.raises(TypeError, match='uint8'):
        apply(VideoColorJitter(), [frame('smooth').astype(np.float32)])
    with pytest.raises(TypeError, match='uint8'):
        apply(VideoRandomGray(), [frame('smooth')[..., 0]])
    with pytest.raises(ValueError, match='whole number of clips'):
        apply(VideoColorJitter(consistent='clip'), [frame('smooth')] * 5, clip_len=4)


# -- speed --------------------------------------------------------------------------------------
@pytest.mark.parametrize('size', [128, 224])
def test_at_least_four_times_faster_than_pil(size):
    imgs = [frame('smooth', i, (size, size)) for i in range(40)]
    jitter = VideoColorJitter()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # as in a data worker
    try:
        ours, pil = [], []
        for _ in range(5):  # CPU time, best of five: other work on the machine disturbs little
            start = time.thread_time()
            apply(jitter, imgs)
            ours.append(time.thread_time() - start)
            start = time.thread_time()
            pil_jitter(imgs)
            pil.append(time.thread_time() - start)
    finally:
        cv2.setNumThreads(threads)
    assert min(pil) / min(ours) >= 4, f'PIL {min(pil):.4f} s, ours {min(ours):.4f} s per clip'
