"""``VideoInit`` opens a video by its path, ``DecodeFrames`` reads the sampled frames from it.

How frames are found exactly: :mod:`mmssl_video.datasets.decoding`. Flow has readers of its own in
``flow.py``, which the same two transforms use.
"""

from __future__ import annotations

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from mmssl_video.datasets.decoding import VideoSource
from mmssl_video.datasets.errors import BadVideoError

# What opens a file of each modality; see transforms/flow_input.py for the other one.
SOURCES = dict(RGB=VideoSource)


@TRANSFORMS.register_module()
class VideoInit(BaseTransform):
    """Open a video by its path and find out how many frames it has.

    Required keys: ``filename``, ``modality`` (``'RGB'`` if not there). Added keys: ``total_frames``
    (int), ``avg_fps`` (float), ``video_reader`` (:class:`VideoSource`, or for ``'Flow'``
    :class:`FlowVideo` or :class:`FlowFolder`, whose frames are (u, v, 128)).

    A file that was cut off in the middle, or whose container is broken, is bad, unless
    ``allow_truncated=True``: then what can be decoded before the cut counts as the whole video.

    Args:
        num_threads: Decoder threads per file.
        allow_truncated: See above.

    Raises:
        BadVideoError: At transform time, for a file that cannot be used.
    """

    def __init__(self, num_threads: int = 1, allow_truncated: bool = False) -> None:
        if not isinstance(num_threads, int) or num_threads < 1:
            # 0 would let the decoder start one for each core, in every worker
            raise ValueError(f'VideoInit: num_threads must be at least 1, got {num_threads!r}')
        self.num_threads = num_threads
        self.allow_truncated = allow_truncated

    def transform(self, results: dict) -> dict:
        open_source = SOURCES[results.get('modality', 'RGB')]
        source = open_source(results['filename'], self.num_threads, self.allow_truncated)
        results['video_reader'] = source
        results['total_frames'] = len(source)
        results['avg_fps'] = source.fps
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(num_threads={self.num_threads}, '
            f'allow_truncated={self.allow_truncated})'
        )


@TRANSFORMS.register_module()
class DecodeFrames(BaseTransform):
    """Read the sampled frames and let go of the reader.

    Required keys: ``video_reader``, ``frame_inds`` (int array, any shape). Added keys: ``imgs``
    (list of uint8 arrays ``[H, W, 3]``, RGB or flow, in the order of ``frame_inds``),
    ``original_shape`` and ``img_shape`` (H, W). Removed: ``video_reader``.

    A rotation in the file's metadata (phone videos) is applied, as players do.

    Raises:
        BadVideoError: Some of the frames cannot be decoded.
    """

    def transform(self, results: dict) -> dict:
        source = results.pop('video_reader')
        indices = np.asarray(results['frame_inds']).reshape(-1)
        frames = source.get_frames(indices)
        seen, imgs = set(), []
        for index in indices.tolist():
            # a frame that occurs twice is copied: later transforms may work in place
            imgs.append(frames[index].copy() if index in seen else frames[index])
            seen.add(index)
        shapes = {img.shape for img in imgs}
        if len(shapes) > 1:
            raise BadVideoError(source.path, f'its frames change size: {sorted(shapes)}')
        results['imgs'] = imgs
        results['original_shape'] = results['img_shape'] = imgs[0].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
