"""Generated demo videos whose class is a *motion* and nothing else.

Each video shows several textured objects over a patchwork background, seen by a slightly shaking
camera. All objects but one or two resting ones move by the law of the class, each with its own
phase, speed and size of movement. Shapes, textures, colours, background, places, speeds and shake
are drawn independently of the class.

That single frames tell little is by construction: every law is periodic with a uniformly drawn
phase, so each frame is equally likely at any time, and whatever a law does *not* animate (an
object's angle, scale, stretch, offset, distance from the centre) is frozen at a value drawn from
the same distribution that the laws run through. Number of objects, number of resting objects and
length of the video do not depend on the class.

With a *failure* the regular motion breaks at a known moment: all objects drop to the ground,
spinning, and stay there. Such a set has times for labels, as the Oops dataset has.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable

import av
import cv2
import numpy as np

from mmssl_video.atomic_files import open_atomic, write_atomic

GENERATOR_VERSION = 2  # goes up whenever the same settings give other frames
META = 'meta.json'

# -- motions ------------------------------------------------------------------------------------
# Lengths are in frame heights, angles in radians, phases in turns.
AMPLITUDE = 0.17  # reach of a position law for an object with `reach` 1
ZOOM = 0.45  # natural log of the largest zoom, and of the largest stretch
ROCK = 0.8  # largest tilt of a rocking object
NEAR = 0.35  # smallest distance from the common centre, as a share of the largest
GRAVITY = 2.0  # of objects that drop, per second squared
GROUND = 0.9  # where they come to rest, from the top
FAILURE = (0.25, 0.75)  # range of the moment of a failure, as a share of the video


@dataclass
class State:
    """Where one object is over the T frames of a video; every field is an array [T].

    ``dx, dy`` offset from its home, ``angle`` its own tilt, ``zoom`` and ``stretch`` natural logs
    of scale and of width over height, ``spread`` its home's distance from the common centre as a
    share of the largest, ``turn`` its home's angle around the common centre.
    """

    dx: np.ndarray
    dy: np.ndarray
    angle: np.ndarray
    zoom: np.ndarray
    stretch: np.ndarray
    spread: np.ndarray
    turn: np.ndarray


def _sin(phase):
    return np.sin(2 * np.pi * phase)


def _triangle(phase):
    """Triangle wave in [-1, 1], starting at -1."""
    return 1 - 4 * np.abs(phase % 1.0 - 0.5)


def _hold(phase):
    """A sine that rests at both ends: stop and go."""
    return np.clip(1.6 * _sin(phase), -1, 1)


def _spread(phase):
    return NEAR + (1 - NEAR) * (0.5 + 0.5 * _triangle(phase))


# Each law: (state, phase [T], group phase [T], reach, direction +-1). `phase` is the object's own,
# the group phase is shared by all objects of the video.
def _bounce(s, phase, group, reach, way):
    u = phase % 1.0
    s.dy = AMPLITUDE * reach * (1 - 8 * u * (1 - u))  # parabola: a ball thrown up again and again


def _orbit(s, phase, group, reach, way):
    s.dx = AMPLITUDE * reach * _sin(way * phase + 0.25)
    s.dy = AMPLITUDE * reach * _sin(way * phase)


def _zoom(s, phase, group, reach, way):
    s.zoom = ZOOM * _sin(phase)


def _sway(s, phase, group, reach, way):
    s.dx = AMPLITUDE * reach * _sin(phase)


def _spin(s, phase, group, reach, way):
    s.angle = s.angle + 2 * np.pi * way * phase


def _scatter(s, phase, group, reach, way):
    s.spread = _spread(group)


def _swirl(s, phase, group, reach, way):
    s.turn = s.turn + 2 * np.pi * group / 2  # a whole round in two periods


def _ricochet(s, phase, group, reach, way):
    s.dx = AMPLITUDE * reach * _triangle(way * phase)
    s.dy = AMPLITUDE * reach * _triangle(0.62 * phase)


def _rock(s, phase, group, reach, way):
    s.angle = s.angle + ROCK * _sin(phase)


def _squash(s, phase, group, reach, way):
    s.stretch = ZOOM * _sin(phase)


def _figure8(s, phase, group, reach, way):
    s.dx = AMPLITUDE * reach * _sin(phase / 2)
    s.dy = AMPLITUDE * reach * _sin(way * phase)


def _shuttle(s, phase, group, reach, way):
    s.dx = s.dy = AMPLITUDE * reach * _hold(phase)  # stop and go along a diagonal
    s.dy = way * s.dy


MOTIONS: dict[str, Callable] = dict(
    bounce=_bounce,
    orbit=_orbit,
    zoom=_zoom,
    sway=_sway,
    spin=_spin,
    scatter=_scatter,
    swirl=_swirl,
    ricochet=_ricochet,
    rock=_rock,
    squash=_squash,
    figure8=_figure8,
    shuttle=_shuttle,
)


def _object_states(
    motion: str | None, rng: np.random.Generator, count: int, seconds: np.ndarray
) -> list[State]:
    """States of ``count`` objects; the last one rests, and in half of the videos one more.

    Draws from ``rng`` do not depend on ``motion``, so the look of a video does not either.
    """
    resting = int(rng.integers(1, 3))
    group_phase, group_way = rng.uniform(0, 1), rng.choice([-1, 1])
    group_period = rng.uniform(3.0, 4.5)
    group = group_phase + group_way * seconds / group_period
    still = np.zeros(len(seconds))
    spread, turn = _spread(rng.uniform(0, 1)), rng.uniform(0, 2 * np.pi)
    states = []
    for i in range(count):
        period, phase = rng.uniform(2.2, 3.6), rng.uniform(0, 1)
        reach, way = rng.uniform(0.75, 1.25), rng.choice([-1, 1])
        frozen = rng.uniform(0, 1, 4)
        state = State(
            dx=still + AMPLITUDE * reach * _sin(frozen[0]),
            dy=still + AMPLITUDE * reach * _sin(frozen[1]),
            angle=still + rng.uniform(0, 2 * np.pi),
            zoom=still + ZOOM * _sin(frozen[2]),
            stretch=still + ZOOM * _sin(frozen[3]),
            spread=still + spread,
            turn=still + turn,
        )
        if i < count - resting and motion is not None:
            MOTIONS[motion](state, phase + seconds / period, group, reach, way)
        states.append(state)
    return states


def _drop(s: State, seconds: np.ndarray, y: float, rng: np.random.Generator) -> None:
    """Let an object fall from height ``y``, spinning, when ``seconds`` [T] passes 0."""
    falling = np.clip(seconds, 0, np.sqrt(2 * max(GROUND - y, 0) / GRAVITY))
    s.dy = s.dy + 0.5 * GRAVITY * falling**2
    s.angle = s.angle + rng.uniform(-6, 6) * falling


# -- looks --------------------------------------------------------------------------------------
def _two_colours(rng: np.random.Generator) -> np.ndarray:
    """Two RGB colours [2, 3] float32 that differ clearly in brightness or hue."""
    while True:
        colours = rng.uniform(10, 245, (2, 3))
        if np.abs(colours[0] - colours[1]).sum() > 200:
            return colours.astype(np.float32)


def _texture(rng: np.random.Generator, height: int, width: int, scale: float) -> np.ndarray:
    """A two-coloured pattern [H, W, 3] float32; ``scale`` is its period in pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, offset = rng.uniform(0, np.pi), rng.uniform(0, 1, 2)
    u = (x * np.cos(angle) + y * np.sin(angle)) / scale + offset[0]
    v = (y * np.cos(angle) - x * np.sin(angle)) / scale + offset[1]
    kind = rng.integers(6)
    if kind == 0:  # stripes
        mix = _sin(u)
    elif kind == 1:  # checks
        mix = 3 * _sin(u / 2) * _sin(v / 2)
    elif kind == 2:  # dots
        mix = _sin(u) + _sin(v) - 0.7
    elif kind == 3:  # rings
        mix = _sin(np.hypot(x - offset[0] * width, y - offset[1] * height) / scale)
    elif kind == 4:  # clouds
        mix = cv2.resize(
            rng.normal(0, 1.2, (int(height / scale) + 3, int(width / scale) + 3)),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
    else:  # slow shade
        mix = _sin(u / 4)
    mix = np.clip(0.5 + mix, 0, 1).astype(np.float32)[..., None]
    first, second = _two_colours(rng)
    return first * mix + second * (1 - mix)


def _background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A patchwork of a few textures [H, W, 3] uint8: other places look other than this one."""
    count = int(rng.integers(2, 5))
    seeds = rng.uniform(0, 1, (count, 2)) * (height, width)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    wobble = cv2.resize(
        rng.normal(0, 0.06 * height, (5, 6, 2)).astype(np.float32),
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )
    nearest = np.stack(
        [np.hypot(y + wobble[..., 0] - a, x + wobble[..., 1] - b) for a, b in seeds]
    ).argmin(0)
    out = np.zeros((height, width, 3), np.float32)
    for i in range(count):
        where = nearest == i
        scale = np.exp(rng.uniform(np.log(0.07), np.log(0.4))) * height
        patch = _texture(rng, height, width, scale)
        patch = 0.7 * patch + 0.3 * patch.mean((0, 1))  # a little calmer than the objects
        out[where] = patch[where]
    return np.clip(cv2.GaussianBlur(out, (0, 0), 0.8), 0, 255).astype(np.uint8)


SHAPES = ('disc', 'square', 'triangle', 'star', 'cross', 'bar', 'ring', 'drop')


def _sprite(rng: np.random.Generator, radius: float) -> np.ndarray:
    """One object [S, S, 4] float32: RGB premultiplied by the opacity, and the opacity in [0, 1].

    ``radius`` in pixels; the object fits a circle of this radius around the centre.
    """
    fine, half = 4, int(np.ceil(radius)) + 2
    size, r = 2 * half * fine, radius * fine
    shape = SHAPES[rng.integers(len(SHAPES))]
    mask = np.zeros((size, size), np.float32)
    centre = size / 2

    def polygon(radii, angles):
        points = centre + r * np.asarray(radii)[:, None] * np.stack(
            [np.sin(angles), -np.cos(angles)], -1
        )
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1.0)

    def box(w, h):
        x, y = int(w * r), int(h * r)
        c = int(centre)
        cv2.rectangle(mask, (c - x, c - y), (c + x, c + y), 1.0, -1)

    middle = (int(centre), int(centre))
    if shape == 'disc':
        cv2.circle(mask, middle, int(0.85 * r), 1.0, -1)
    elif shape == 'square':
        box(0.7, 0.7)
    elif shape == 'triangle':
        polygon(np.ones(3), 2 * np.pi * np.arange(3) / 3)
    elif shape == 'star':
        polygon(np.where(np.arange(10) % 2, 0.5, 1.0), np.pi * np.arange(10) / 5)
    elif shape == 'cross':
        box(0.9, 0.34)
        box(0.34, 0.9)
    elif shape == 'bar':
        box(0.95, 0.4)
    elif shape == 'ring':
        cv2.circle(mask, middle, int(0.9 * r), 1.0, -1)
        cv2.circle(mask, middle, int(0.45 * r), 0.0, -1)
    else:
        angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        polygon(0.5 + 0.5 * np.exp(-2 * np.minimum(angles, 2 * np.pi - angles) ** 2), angles)
    rgb = _texture(rng, size, size, rng.uniform(0.7, 1.4) * r)
    edge = cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3)), iterations=fine // 2), (0, 0), fine)
    rgb = rgb * (0.35 + 0.65 * np.clip(1.3 * edge, 0, 1)[..., None])  # a dark rim on any ground
    full = np.dstack([rgb * mask[..., None], mask])
    return cv2.resize(full, (2 * half, 2 * half), interpolation=cv2.INTER_AREA)


def _shake(rng: np.random.Generator, seconds: np.ndarray, height: int) -> np.ndarray:
    """Camera position over time, [T, 2] in pixels (y, x): a sum of slow and quick swings."""
    rate = np.array([0.15, 0.35, 0.9])[:, None] * rng.uniform(0.7, 1.3, (3, 1))
    swing = np.array([0.014, 0.007, 0.0035])[:, None] * height * rng.uniform(0, 1)
    phase = rng.uniform(0, 1, (2, 3, 1))
    return np.stack([(swing * _sin(rate * seconds + p)).sum(0) for p in phase], -1)


# -- drawing ------------------------------------------------------------------------------------
def _paste(
    frame: np.ndarray,
    sprite: np.ndarray,
    y: float,
    x: float,
    angle: float,
    scale: float,
    stretch: float,
) -> None:
    """Draw ``sprite`` into ``frame`` [H, W, 3] float32, centred at (y, x) in pixels."""
    half = sprite.shape[0] / 2
    reach = half * scale * max(stretch, 1 / stretch)
    top, left = max(0, int(y - reach)), max(0, int(x - reach))
    bottom = min(frame.shape[0], int(y + reach) + 2)
    right = min(frame.shape[1], int(x + reach) + 2)
    if top >= bottom or left >= right:
        return
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[c * stretch, -s * stretch], [s / stretch, c / stretch]])
    move = np.array([x - left, y - top]) - linear @ (half - 0.5, half - 0.5)
    patch = cv2.warpAffine(sprite, np.column_stack([linear, move]), (right - left, bottom - top))
    region = frame[top:bottom, left:right]
    region *= 1 - patch[..., 3:]
    region += patch[..., :3]


def render_video(
    motion: str | None,
    rng: np.random.Generator,
    size: tuple[int, int] = (96, 128),
    frames: int = 150,
    fps: int = 30,
    failure: float | None = None,
) -> np.ndarray:
    """Draw one video.

    Args:
        motion: name of a law in ``MOTIONS``, or None for a scene at rest (but for the camera).
        rng: all randomness; with the same state two motions give the same look.
        size: height and width in pixels.
        frames: number of frames, T.
        fps: frames per second; speeds are per second.
        failure: the moment, in seconds, at which the motion stops and all objects drop.

    Returns:
        [T, H, W, 3] uint8 RGB; up to the failure the same frames as without one.
    """
    height, width = size
    seconds = np.arange(frames) / fps
    margin = int(np.ceil(0.03 * height)) + 1
    ground = _background(rng, height + 2 * margin, width + 2 * margin).astype(np.float32)
    shake = _shake(rng, seconds, height)
    count = int(rng.integers(4, 7))
    centre = np.array([0.5 * height, 0.5 * width]) + rng.uniform(-0.05, 0.05, 2) * height
    # homes around the centre, one per sector, so that objects are in all parts of the frame
    sector = 2 * np.pi * (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / count
    sector = rng.permutation(sector)
    distance = rng.uniform(0.65, 1.1, count) * 0.47
    radii = np.exp(rng.uniform(np.log(0.14), np.log(0.22), count)) * height
    sprites = [_sprite(rng, 1.25 * r) for r in radii]  # drawn larger: zooming in stays sharp
    moving = seconds if failure is None else np.minimum(seconds, failure)
    states = _object_states(motion, rng, count, moving)
    if failure is not None:
        for i, s in enumerate(states):
            height_then = (
                centre[0] / height
                + s.dy[-1]
                + (distance[i] * s.spread[-1] * np.sin(sector[i] + s.turn[-1]))
            )
            _drop(s, seconds - failure, height_then, rng)
    out = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        dy, dx = shake[t]
        shift = np.array([[1, 0, dx - margin], [0, 1, dy - margin]])
        frame = cv2.warpAffine(ground, shift, (width, height), borderMode=cv2.BORDER_REFLECT)
        for i, s in enumerate(states):
            turn = sector[i] + s.turn[t]
            far = distance[i] * s.spread[t] * height
            y = centre[0] + far * np.sin(turn) + s.dy[t] * height + dy
            x = centre[1] + far * np.cos(turn) * width / height + s.dx[t] * height + dx
            _paste(
                frame,
                sprites[i],
                y,
                x,
                s.angle[t],
                0.8 * np.exp(s.zoom[t]),
                np.exp(s.stretch[t] / 2),
            )
        out[t] = cv2.convertScaleAbs(frame)
    return out


# -- files --------------------------------------------------------------------------------------
def pick_codec(codec: str = 'auto') -> str:
    """Name of an encoder this PyAV has: ``'auto'`` is libx264 (H.264) or else MPEG-4."""
    candidates = ('libx264', 'mpeg4') if codec == 'auto' else (codec,)
    for name in candidates:
        if name in av.codecs_available:
            return name
    raise ValueError(
        f'PyAV {av.__version__} here has no encoder {" or ".join(candidates)}; '
        "reinstall it from its wheel ('pip install av') or give another codec."
    )


def write_video(
    path: str | Path, frames: np.ndarray, fps: int = 30, codec: str = 'libx264'
) -> None:
    """Encode ``frames`` [T, H, W, 3] uint8 RGB (H and W even) as MP4: one thread, no dates."""
    height, width = frames.shape[1:3]
    # mbtree: with it x264 reads unset memory on very small frames, other bytes at some runs
    options = (
        {'preset': 'veryfast', 'crf': '20', 'x264-params': 'mbtree=0'}
        if codec == 'libx264'
        else dict(qscale='3', flags='+qscale+bitexact')
    )
    with open_atomic(path) as file, av.open(file.name, 'w', format='mp4') as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        if not isinstance(stream, av.VideoStream):
            raise ValueError(f'{codec} is no codec of videos')
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        stream.codec_context.gop_size = fps
        stream.codec_context.thread_count = 1  # the bytes must not depend on the machine's cores
        for frame in frames:
            # FFmpeg's own conversion reads the padding behind each row: other bytes at each run
            planes = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format='yuv420p')))
        container.mux(stream.encode())


def _make_one(
    job: tuple[Path, str, tuple[int, ...], float | None], size, frames, fps, codec
) -> None:
    path, motion, entropy, failure = job
    rng = np.random.default_rng(entropy)
    write_video(path, render_video(motion, rng, size, frames, fps, failure), fps, codec)


def make_demo_videos(
    out: str | Path,
    classes: int = 8,
    per_class: int = 40,
    seed: int = 0,
    size: tuple[int, int] = (96, 128),
    frames: int = 150,
    fps: int = 30,
    test_share: float = 0.2,
    codec: str = 'auto',
    workers: int = 1,
    overwrite: bool = False,
    failures: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> bool:
    """Write a set of demo videos with its lists.

    ``OUT/videos/<class>/<class>_000.mp4``, ``OUT/train.txt`` and ``OUT/test.txt`` (lines
    ``class/name.mp4 label``, relative to ``OUT/videos``), ``OUT/classes.txt`` (one name a line, in
    order of the labels) and, last, ``OUT/meta.json`` (version of the generator and its settings).
    The same settings give the same frames, and on one machine the same bytes; a set that is
    already there with the same settings is left as it is.

    Args:
        out: folder, made if needed.
        classes: number of motions, the first ones of ``MOTIONS``.
        per_class: videos of each class.
        seed: seed of the set.
        size: height and width in pixels, even.
        frames: frames of each video.
        fps: frames per second.
        test_share: share of each class that goes to ``test.txt``, rounded, at least one video
            where it is above 0.
        codec: ``'auto'``, ``'libx264'`` or ``'mpeg4'``.
        workers: processes that draw and encode.
        overwrite: replace a set made with other settings.
        failures: every video has a failure, at a moment drawn from the middle half of it; lines
            are ``class/name.mp4 SECONDS``, for :class:`OopsDataset`.
        progress: called with (videos done, videos in all).

    Returns:
        True if videos were written, False if the set was there already.

    Raises:
        ValueError: for settings that make no set.
        FileExistsError: when ``out`` holds demo videos of other settings, or is a file.
    """
    out = Path(out)
    _check(classes, per_class, seed, size, frames, fps, test_share, workers)
    codec = pick_codec(codec)
    meta = dict(
        generator_version=GENERATOR_VERSION,
        classes=classes,
        per_class=per_class,
        seed=seed,
        size=list(size),
        frames=frames,
        fps=fps,
        test_share=test_share,
        codec=codec,
        **(dict(failures=True) if failures else {}),
    )
    if out.exists() and not out.is_dir():
        raise FileExistsError(f'{out} is a file; give a folder for the demo videos.')
    videos, meta_file = out / 'videos', out / META
    unfinished = out / '.unfinished'  # tells a run cut short from a folder of someone's own
    if meta_file.exists():
        old = json.loads(meta_file.read_text())
        if old == meta and _complete(out):
            return False
        if old != meta and not overwrite:
            wrong = ', '.join(k for k in {**old, **meta} if old.get(k) != meta.get(k))
            raise FileExistsError(
                f'{out} holds demo videos with another {wrong}; give another folder or --overwrite.'
            )
        unfinished.touch()
        meta_file.unlink()
    elif videos.exists() and not unfinished.exists():
        raise FileExistsError(f'{videos} was not made here; give another folder.')
    if videos.exists():
        shutil.rmtree(videos)
    videos.mkdir(parents=True)
    unfinished.touch()

    names = list(MOTIONS)[:classes]
    num_test = min(per_class, max(1, round(per_class * test_share))) if test_share > 0 else 0
    lists: dict[str, list[str]] = dict(train=[], test=[])
    jobs = []
    for label, motion in enumerate(names):
        (videos / motion).mkdir(exist_ok=True)
        for i in range(per_class):
            relative = f'{motion}/{motion}_{i:03d}.mp4'
            failure = None
            if failures:  # from a generator of its own: the look does not depend on it
                share = np.random.default_rng((seed, label, i, 1)).uniform(*FAILURE)
                failure = round(float(share) * frames / fps, 3)
            lists['test' if i >= per_class - num_test else 'train'].append(
                f'{relative} {failure if failures else label}'
            )
            jobs.append((videos / relative, motion, (seed, label, i), failure))
    make = partial(_make_one, size=tuple(size), frames=frames, fps=fps, codec=codec)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # before a fork: OpenCV's pool of threads would not survive it
    try:
        with (
            ProcessPoolExecutor(workers, initializer=cv2.setNumThreads, initargs=(1,))
            if workers > 1
            else nullcontext()
        ) as pool:
            for done, _ in enumerate((pool.map if pool else map)(make, jobs), 1):
                if progress:
                    progress(done, len(jobs))
    finally:
        cv2.setNumThreads(threads)
    for name, lines in lists.items():
        write_atomic(''.join(f'{line}\n' for line in lines).encode(), out / f'{name}.txt')
    write_atomic(''.join(f'{name}\n' for name in names).encode(), out / 'classes.txt')
    write_atomic((json.dumps(meta, indent=2) + '\n').encode(), meta_file)
    unfinished.unlink()
    return True


def _complete(out: Path) -> bool:
    """Whether every video of the lists is there."""
    lines = [
        line
        for name in ('train', 'test')
        if (out / f'{name}.txt').exists()
        for line in (out / f'{name}.txt').read_text().splitlines()
    ]
    return (
        bool(lines)
        and (out / 'classes.txt').exists()
        and all((out / 'videos' / line.rsplit(maxsplit=1)[0]).exists() for line in lines)
    )


def _check(classes, per_class, seed, size, frames, fps, test_share, workers) -> None:
    if not 2 <= classes <= len(MOTIONS):
        raise ValueError(
            f'classes must be 2 to {len(MOTIONS)} (the motions there are: '
            f'{", ".join(MOTIONS)}), got {classes}.'
        )
    for name, value, least in [
        ('per_class', per_class, 1),
        ('seed', seed, 0),
        ('frames', frames, 1),
        ('fps', fps, 1),
        ('workers', workers, 1),
    ]:
        if value < least:
            raise ValueError(f'{name} must be at least {least}, got {value}.')
    if len(size) != 2 or any(side < 32 or side % 2 for side in size):
        raise ValueError(
            'size is height and width in pixels, each even (4:2:0 video) and at '
            f'least 32, got {"x".join(map(str, size))}.'
        )
    if not 0 <= test_share < 1 or (test_share > 0 and per_class < 2):
        raise ValueError(
            'test_share must be in [0, 1), with at least 2 videos per class where it '
            f'is above 0, got {test_share} of {per_class}.'
        )
