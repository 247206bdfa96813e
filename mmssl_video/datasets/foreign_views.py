"""What an encoder sees through transforms of mmaction2: ``describe`` for classes not ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mmaction.datasets.transforms as mmaction_transforms


def is_foreign(kind: Any) -> bool:
    """Whether a class, or one that it extends, stands in the table."""
    return any(each in DESCRIBED for each in getattr(kind, '__mro__', ()))


def describe_foreign(transform: Any, view: Any) -> Any:
    """The view after a transform of mmaction2; as it was, after what the table does not hold."""
    for kind in type(transform).__mro__:
        if kind in DESCRIBED:
            return DESCRIBED[kind](transform, view)
    return view


def _sample_frames(sampler, view):
    twice = 2 if sampler.twice_sample and sampler.test_mode else 1
    return _clips(sampler, view, sampler.num_clips * twice, sampler.frame_interval)


def _dense_frames(sampler, view):
    positions = sampler.num_sample_positions if sampler.test_mode else 1
    return _clips(sampler, view, sampler.num_clips * positions, sampler.frame_interval)


def _uniform_frames(sampler, view):
    return _clips(sampler, view, sampler.num_clips if sampler.test_mode else 1, None)


def _clips(sampler, view, count, stride):
    return view.update(
        dict(num_frames='clip_len', stride='frame_interval', num_windows='num_clips', images=None),
        num_frames=sampler.clip_len,
        stride=stride,
        num_windows=count,
        images=sampler.clip_len == 1,  # for a 2D network
    )


def _resize(resize, view):
    if isinstance(resize.scale, float):  # a share of what comes in
        side = None if view.size is None else round(view.size * resize.scale)
    else:
        side = int(min(resize.scale))  # mmaction2 has made -1 infinite
    return view.update(dict(size='scale', cut_from=None), size=side, cut_from=None)


def _unknown_size(transform, view):
    """A piece of random size, which a ``Resize`` follows."""
    return view.update(dict(size=None, cut_from=None), size=None, cut_from=None)


def _center_crop(crop, view):
    return view.cropped(crop.crop_size, 'CenterCrop')


def _three_crops(crop, view):
    return view.cropped(crop.crop_size, 'ThreeCrop', crops=3)


def _ten_crops(crop, view):
    return view.cropped(crop.crop_size, 'TenCrop', crops=10)


def _random_crop(crop, view):
    return view.cropped(crop.size, set_by='size')


def _jitter(jitter, view):
    return view.remark('colours jittered')


#: Transforms of mmaction2, with what they do to a view; a class stands for those that extend it.
DESCRIBED: dict[type, Callable[[Any, Any], Any]] = {
    mmaction_transforms.SampleFrames: _sample_frames,
    mmaction_transforms.DenseSampleFrames: _dense_frames,
    mmaction_transforms.UniformSample: _uniform_frames,
    mmaction_transforms.Resize: _resize,
    mmaction_transforms.RandomRescale: _unknown_size,
    mmaction_transforms.RandomCrop: _random_crop,
    mmaction_transforms.RandomResizedCrop: _unknown_size,
    mmaction_transforms.MultiScaleCrop: _unknown_size,
    mmaction_transforms.CenterCrop: _center_crop,
    mmaction_transforms.ThreeCrop: _three_crops,
    mmaction_transforms.TenCrop: _ten_crops,
    mmaction_transforms.ColorJitter: _jitter,
}
