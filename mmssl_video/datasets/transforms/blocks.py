"""Transforms over the clip axis: a window as blocks, and fresh randomness for every clip."""

from __future__ import annotations

import copy

from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose

from mmssl_video.datasets.pipelines import Pipeline, build_steps
from mmssl_video.datasets.views import View, view_after


@TRANSFORMS.register_module()
class SplitBlocks(BaseTransform):
    """Re-label every window as ``num_blocks`` blocks of consecutive frames (DPC §3.1: 8 x 5).

    Nothing is copied: ``clip_len`` becomes the block length and ``num_clips`` the number of windows
    times ``num_blocks``, so that ``FormatShape('NCTHW')`` gives ``[W * num_blocks, C, T, H, W]``.

    Args:
        num_blocks: Blocks per window.

    Raises:
        ValueError: ``num_blocks`` is below 1, or (at transform time) does not divide the window.
    """

    def __init__(self, num_blocks: int = 8) -> None:
        if not isinstance(num_blocks, int) or num_blocks < 1:
            raise ValueError(
                f'SplitBlocks: num_blocks must be a whole number of at least 1, got {num_blocks!r}'
            )
        self.num_blocks = num_blocks

    def check_window(self, num_frames: int) -> None:
        """Raise ``ValueError`` when a window of ``num_frames`` cannot be split."""
        if num_frames % self.num_blocks:
            raise ValueError(
                f'SplitBlocks: a window of {num_frames} frames cannot be split into '
                f'{self.num_blocks} blocks of equal length; set SampleWindow.num_frames to a '
                f'multiple of {self.num_blocks}, such as '
                f'{max(num_frames // self.num_blocks, 1) * self.num_blocks}'
            )

    def describe(self, view: View) -> View:
        """Windows are ``num_blocks`` blocks each.

        Raises:
            ValueError: The frames cannot be split so.
        """
        if view.block_frames is not None:
            self.check_window(view.block_frames)
        return view.update(dict(blocks='num_blocks'), blocks=view.num_blocks * self.num_blocks)

    def transform(self, results: dict) -> dict:
        self.check_window(results['clip_len'])
        results['clip_len'] //= self.num_blocks
        results['num_clips'] *= self.num_blocks
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_blocks={self.num_blocks})'


@TRANSFORMS.register_module()
class PerClip(BaseTransform):
    """Run transforms on every clip by itself, so that each draws its own randomness.

    mmaction2's transforms draw once per sample; methods that compare views need one draw per view.
    Keys other than ``imgs`` keep the last clip's values (the crop box, the flip …).

    Args:
        transforms: Transforms that read and write ``imgs`` (list of ``[H, W, C]``), in order: a
            list, or a dict of named steps.

    Raises:
        ValueError: At transform time, when the clips come out with different frame sizes or counts,
            which could not be stacked.
    """

    def __init__(self, transforms: Pipeline) -> None:
        # built here: Compose looks in mmengine's registry where no default scope is set
        self.transforms = Compose(build_steps(transforms))

    def describe(self, view: View) -> View:
        """What the transforms inside say, in their order."""
        return view_after(self.transforms.transforms, view)

    def transform(self, results: dict) -> dict:
        clip_len, num_clips = results['clip_len'], results['num_clips']
        imgs = results['imgs']
        if len(imgs) != clip_len * num_clips:
            raise ValueError(
                f'PerClip: {len(imgs)} images are not {num_clips} clips of {clip_len} '
                'frames; put PerClip before transforms that make crops'
            )
        common = {key: value for key, value in results.items() if key != 'imgs'}
        out, shapes = [], []
        for start in range(0, len(imgs), clip_len):
            clip = copy.deepcopy(common)
            clip.update(imgs=list(imgs[start : start + clip_len]), num_clips=1)
            clip = self.transforms(clip)
            out.extend(clip['imgs'])
            shapes.append((len(clip['imgs']), *clip['imgs'][0].shape))
        if len(set(shapes)) > 1:
            raise ValueError(
                'PerClip: the clips came out with different shapes (frames, height, '
                f'width, channels) {sorted(set(shapes))}; end with a Resize to a '
                'fixed size (keep_ratio=False)'
            )
        results.update(clip, imgs=out, num_clips=num_clips)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.transforms})'
