"""Readers of optical flow for ``VideoInit`` and ``DecodeFrames``; transforms that it must not meet.

Frames come as uint8 ``[H, W, 3]`` = (u, v, 128); :mod:`mmssl_video.datasets.flow_format` says what
the values mean. A transform that resizes frames resizes the *field* and leaves the displacements
as they are, in pixels of the original: so do MemDPC and the two-stream networks before it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import av
import cv2
import mmaction.datasets.transforms as mmaction_transforms
import numpy as np

from mmssl_video.datasets.decoding import VideoSource
from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.flow_format import (
    META,
    as_image,
    image_name,
    info_from_comment,
    is_flow_comment,
    read_meta,
)
from mmssl_video.datasets.pipelines import Pipeline, steps_of

from .blocks import PerClip
from .color import VideoColorJitter, VideoRandomGray
from .video_io import SOURCES

_MAKE = 'mmssl flow makes it'


class FlowVideo(VideoSource):
    """Packed flow: frames are (u, v, 128).

    Args:
        path: A ``.flow.mp4`` file.
        num_threads: Decoder threads.
        allow_truncated: Use what is left of a truncated file.

    Raises:
        BadVideoError: The file cannot be used, or it is no flow.
    """

    def __init__(self, path, num_threads: int = 1, allow_truncated: bool = False) -> None:
        self.allow_truncated = allow_truncated
        super().__init__(path, num_threads, allow_truncated)

    def _check_contents(self) -> None:
        comment = self.probe.comment
        info = info_from_comment(comment)
        if info is None:
            raise BadVideoError(
                self.path,
                f'holds flow of another version ({comment!r}): make it anew'
                if is_flow_comment(comment)
                else f'is an ordinary video, not packed optical flow ({_MAKE})',
            )
        self.info = info
        if len(self) != len(self.info) and not self.allow_truncated:
            raise BadVideoError(self.path, f'holds {len(self)} flows instead of {len(self.info)}')

    def _converter(self):
        return self._image

    def _image(self, frame: av.VideoFrame) -> np.ndarray:
        height, width = self.info.height, self.info.width
        luma = frame.planes[0]
        if (frame.height, frame.width) != (2 * height, width) or frame.color_range != 2:
            raise BadVideoError(
                self.path,
                f'is no longer the packed flow of {height}x{width} that '
                'its comment says: someone has encoded it anew',
            )
        planes = np.frombuffer(memoryview(luma), np.uint8).reshape(-1, luma.line_size)[:, :width]
        return as_image(planes[:height], planes[height : 2 * height])


class FlowFolder:
    """Flow as JPEGs in a folder: frames are (u, v, 128).

    Args:
        path: A ``.flow`` folder.
        num_threads, allow_truncated: Not used; for the sake of :class:`FlowVideo`.

    Raises:
        BadVideoError: The folder is not there or is no flow.
    """

    def __init__(self, path, num_threads: int = 1, allow_truncated: bool = False) -> None:
        self.path = os.fspath(path)
        meta = Path(path, META)
        if not meta.is_file():
            raise BadVideoError(
                path, f'is a folder without {META}, so it is no whole flow ({_MAKE})'
            )
        try:
            self.info, self.fps = read_meta(meta)
        except ValueError as error:
            raise BadVideoError(path, str(error)) from None

    def __len__(self) -> int:
        return len(self.info)

    def is_whole(self) -> bool:
        """Whether all JPEGs are there (not whether each can be read)."""
        return {
            image_name(axis, number) for axis in 'xy' for number in range(1, len(self) + 1)
        } <= set(os.listdir(self.path))

    def get_frames(self, indices: Sequence[int]) -> dict:
        """Read frames.

        Args:
            indices: Frame numbers in ``[0, len(self))``, any order, repeats allowed.

        Returns:
            dict: frame number -> uint8 array ``[H, W, 3]``.

        Raises:
            BadVideoError: A JPEG is not there or cannot be read.
        """
        wanted = sorted({int(index) for index in indices})
        if not wanted or wanted[0] < 0 or wanted[-1] >= len(self):
            raise IndexError(
                f'frames {wanted[:1]}..{wanted[-1:]} of {self.path}, which has {len(self)} frames'
            )
        return {index: as_image(self._read('x', index), self._read('y', index)) for index in wanted}

    def _read(self, axis: str, index: int) -> np.ndarray:
        name = image_name(axis, index + 1)
        try:
            data = np.fromfile(Path(self.path, name), np.uint8)
        except OSError as error:
            raise BadVideoError(self.path, f'{name}: {error.strerror}') from None
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
        shape = self.info.height, self.info.width
        if image is None or image.shape != shape:
            raise BadVideoError(self.path, f'{name}: no JPEG of {shape[0]}x{shape[1]}')
        return image


def open_flow(path, num_threads: int = 1, allow_truncated: bool = False) -> FlowVideo | FlowFolder:
    """Open flow of either format; arguments and errors as of :class:`FlowVideo`."""
    kind = FlowFolder if os.path.isdir(path) else FlowVideo
    return kind(path, num_threads, allow_truncated)


SOURCES['Flow'] = open_flow

# What would be silently wrong on (u, v, 128), and what to do instead.
_COLOURLESS = 'flow has no colours: take it out of the pipeline'
_UNKNOWN = 'what it does to flow is not known: use transforms of mmssl_video'
_NOT_FOR_FLOW = (
    (mmaction_transforms.Flip, 'it does not negate u of three-channel flow: use VideoFlip'),
    (
        mmaction_transforms.TenCrop,
        "its mirror images do not negate u: use MultiCrop with crops='five', flip=True",
    ),
    ((VideoColorJitter, VideoRandomGray, mmaction_transforms.ColorJitter), _COLOURLESS),
    (
        (
            mmaction_transforms.ImgAug,
            mmaction_transforms.TorchVisionWrapper,
            mmaction_transforms.PytorchVideoWrapper,
        ),
        _UNKNOWN,
    ),
)


def check_flow_pipeline(transforms: Sequence) -> None:
    """Refuse a pipeline that would treat flow like a photograph.

    Args:
        transforms: Built transforms; those inside ``PerClip`` are looked at too.

    Raises:
        ValueError: One of them is not for flow.
    """
    for transform in transforms:
        if isinstance(transform, PerClip):
            check_flow_pipeline(transform.transforms.transforms)
        for kinds, why in _NOT_FOR_FLOW:
            if isinstance(transform, kinds):
                raise ValueError(f"{type(transform).__name__} is not for modality='Flow': {why}")


def for_flow(pipeline: Pipeline) -> Pipeline:
    """A pipeline for RGB frames as it is for flow: without colours, and flips negate u.

    Args:
        pipeline: Configs of transforms, in a list or by name; those inside ``PerClip`` change too.

    Returns:
        A new pipeline; steps that fall away are None where they have names. Whatever else is not
        for flow is left in, for :func:`check_flow_pipeline` to name.
    """
    if isinstance(pipeline, Mapping):
        return {name: _for_flow(step) for name, step in pipeline.items()}
    steps = [_for_flow(step) for step in steps_of(pipeline)]
    return [step for step in steps if step is not None]


def _for_flow(step):
    if not isinstance(step, Mapping):
        return step
    kind = str(step['type']).rsplit('.', 1)[-1]
    if kind in ('VideoColorJitter', 'VideoRandomGray', 'ColorJitter'):
        return None
    if kind == 'Flip':
        return dict(step, type='VideoFlip')
    if kind == 'PerClip':
        return dict(step, transforms=for_flow(step['transforms']))
    return step
