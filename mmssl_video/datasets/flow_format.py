"""Optical flow on disk: how displacements become bytes, and the two ways to keep them.

A displacement of d pixels becomes ``round((d + bound) * 255 / (2 * bound))``, clipped to [0, 255],
with bound = 20: the pre-processing of MemDPC (section 5.2) and of its released script. No motion
is 127.5, stored as 128. What a network sees is ``[H, W, 3]`` = (u, v, 128): to the right,
downwards, and the paper's "third 0s channel".

For a video ``a/b.avi`` there is either

- ``a/b.avi.flow.mp4``, *packed*: u above v in one grey frame of twice the height, H.264 without
  loss (or with less loss than JPEG, see ``crf``), every frame a key frame. Grey, so that
  no subsampling of colours blurs v into u. A comment in the file says what it is; or
- ``a/b.avi.flow/``, *JPEG*: ``flow_x_00001.jpg`` and ``flow_y_00001.jpg`` for each flow, and
  ``meta.json``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from mmssl_video.atomic_files import NO_ROOM, cannot_write, open_atomic

SUFFIXES = dict(mp4='.flow.mp4', jpeg='.flow')
META = 'meta.json'
NAME = 'mmssl_video flow'
VERSION = 1
ZERO = 128
#: Normalisation for a network: no motion becomes 0, 2 pixels become 1, and a mirrored u is exactly
#: its negative. The third channel is always ZERO.
MEAN = (127.5, 127.5, 128.0)
STD = (12.75, 12.75, 12.75)
JPEG_QUALITY = 95
_INTEGERS = ('bound', 'step', 'frames', 'resize', 'height', 'width')


@dataclass(frozen=True)
class FlowInfo:
    """What a flow file says about itself.

    Attributes:
        bound: Displacement in pixels that 255 stands for; longer ones are clipped to it.
        step: Flow leads from frame t to frame t + step.
        frames: Frames of the video; it has ``frames - step`` flows.
        resize: Short side in pixels to which frames were resized before, 0 for not at all.
        height, width: Size of a flow in pixels.
    """

    bound: int
    step: int
    frames: int
    resize: int
    height: int
    width: int

    def __len__(self) -> int:
        return self.frames - self.step

    def differs(self, **settings: int) -> str:
        """In which of the given settings this file is otherwise, in words; '' if in none."""
        return ', '.join(
            f'{key} {getattr(self, key)} instead of {value}'
            for key, value in settings.items()
            if getattr(self, key) != value
        )

    def comment(self) -> str:
        """The comment of a packed file."""
        return f'{NAME} v{VERSION} ' + ' '.join(f'{k}={v}' for k, v in asdict(self).items())


def info_from_comment(comment: str) -> FlowInfo | None:
    """Read what :meth:`FlowInfo.comment` wrote; None where it did not (in this version)."""
    if not comment.startswith(f'{NAME} v{VERSION} '):
        return None
    values = {key: int(value) for key, value in re.findall(r'(\w+)=(\d+)', comment)}
    return FlowInfo(*(values[key] for key in _INTEGERS)) if set(_INTEGERS) <= set(values) else None


def is_flow_comment(comment: str) -> bool:
    """Whether a file's comment says that it holds flow, of whatever version."""
    return comment.startswith(NAME)


def to_bytes(flow: np.ndarray, bound: int = 20) -> np.ndarray:
    """Displacements in pixels (float, any shape) to uint8; see the head of the file."""
    scaled = (np.asarray(flow, dtype=np.float32) + bound) * (255 / (2 * bound))
    return np.floor(np.clip(scaled, 0, 255) + 0.5).astype(np.uint8)


def as_image(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Two fields ``[H, W]`` uint8 as one image ``[H, W, 3]`` whose third channel is no motion."""
    return cv2.merge([u, v, np.full_like(u, ZERO)])


def flow_path(out: str | os.PathLike, name: str, kind: str) -> Path:
    """Where the flow of the video ``name`` lies under the folder ``out``."""
    return Path(out, name + SUFFIXES[kind])


def check_encoder() -> None:
    """Raise ``RuntimeError`` where packed files cannot be written."""
    try:
        av.Codec('libx264', 'w')
    except (av.FFmpegError, ValueError):
        raise RuntimeError(
            'the installed PyAV has no H.264 encoder (libx264), which packed flow '
            'needs: use --format jpeg, or install PyAV from PyPI (pip install '
            '--force-reinstall av)'
        ) from None


def write_packed(
    path: Path, flows: Iterable[np.ndarray], info: FlowInfo, fps: float, crf: int = 0
) -> None:
    """Write flows ``[H, W, 2]`` uint8 into an MP4, whole or not at all.

    Args:
        path: The file; its folder is there.
        flows: As many as ``info`` says.
        info: Goes into the file's comment.
        fps: Frames per second of the video; 25 is written where it is 0 (unknown).
        crf: Quality of x264; 0 is exact.
    """
    # mbtree: with it x264 reads unset memory on very small frames, other bytes at some runs
    options = {'crf': str(crf), 'preset': 'medium', 'x264-params': 'mbtree=0'}
    with open_atomic(path) as file, av.open(file, 'w', format='mp4') as container:
        container.metadata['comment'] = info.comment()
        stream = container.add_stream(
            'libx264', rate=Fraction(fps).limit_denominator(65535) or 25, options=options
        )
        stream.height, stream.width, stream.pix_fmt = 2 * info.height, info.width, 'gray'
        # Neighbouring flows are no more alike than parts of one: key frames only cost nothing,
        # and any frame is read by itself.
        stream.codec_context.gop_size = 1
        stream.codec_context.max_b_frames = 0
        stream.codec_context.thread_count = 1  # the bytes must not depend on the machine's cores
        stream.codec_context.color_range = 2  # [0, 255], not [16, 235]
        for flow in flows:
            planes = np.concatenate([flow[..., 0], flow[..., 1]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format='gray')))
        container.mux(stream.encode())


def write_folder(path: Path, flows: Iterable[np.ndarray], info: FlowInfo, fps: float) -> None:
    """Write flows ``[H, W, 2]`` uint8 as JPEGs, the folder whole or not at all.

    Args:
        path: The folder; the one above it is there.
        flows: As many as ``info`` says.
        info: Goes into ``meta.json``.
        fps: Frames per second of the video, 0 for unknown.
    """
    partial = path.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}.partial')
    partial.mkdir()
    try:
        for number, flow in enumerate(flows, 1):
            for axis, name in enumerate('xy'):
                done, data = cv2.imencode(
                    '.jpg',
                    np.ascontiguousarray(flow[..., axis]),
                    [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
                )
                if not done:
                    raise OSError(f'OpenCV cannot encode a JPEG of {flow.shape[:2]}')
                (partial / image_name(name, number)).write_bytes(data.tobytes())
        meta = dict(
            format=NAME,
            version=VERSION,
            count=len(info),
            fps=fps,
            jpeg_quality=JPEG_QUALITY,
            **asdict(info),
        )
        (partial / META).write_text(json.dumps(meta, indent=2) + '\n')
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(partial, path)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise cannot_write(path, error) from None
        raise


def read_meta(path: Path) -> tuple[FlowInfo, float]:
    """Read ``meta.json`` of a JPEG folder: what the flow is, and frames per second.

    Raises:
        ValueError: It is something else.
    """
    try:
        meta = json.loads(path.read_text())
        if (meta['format'], meta['version']) != (NAME, VERSION):
            raise ValueError(f'{meta["format"]} version {meta["version"]}')
        return FlowInfo(*(int(meta[key]) for key in _INTEGERS)), float(meta['fps'])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'its {META} is not what extract_flow.py writes ({error!r})') from None


def image_name(axis: str, number: int) -> str:
    """Name of a JPEG; numbers count from 1."""
    return f'flow_{axis}_{number:05d}.jpg'


def remove_partial(path: Path) -> None:
    """Remove what killed writers of this very file or folder left beside it."""
    for left in _partials(path):
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def _partials(path: Path) -> Iterator[Path]:
    pattern = re.compile(re.escape(f'.{path.name}.') + r'[0-9a-f]{8}\.partial')
    return (each for each in path.parent.iterdir() if pattern.fullmatch(each.name))
