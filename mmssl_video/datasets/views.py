"""What an encoder sees of a video: one value, written by the transforms of a pipeline themselves.

A transform takes part by one method, ``describe(view) -> view``, in which it says what it changes:
``return view.update(num_frames=self.num_frames, stride=self.stride)``. Those of mmaction2 are
described in :mod:`.foreign_views`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from mmaction.registry import TRANSFORMS
from mmengine.config import Config, ConfigDict

from mmssl_video.datasets.foreign_views import describe_foreign, is_foreign
from mmssl_video.datasets.pipelines import Pipeline, located_steps
from mmssl_video.datasets.seeding import seeded
from mmssl_video.registered import UnregisteredError, registered


class Difference(NamedTuple):
    """A field in which two views differ: both values, and the keys that set the first one."""

    name: str
    value: object
    other: object
    keys: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """What an encoder sees of a video. None stands for what is not known, or varies.

    Args:
        num_frames: Frames of a window, of all its blocks together.
        stride: Distance of neighbouring frames, in frames of the video.
        sampling: How windows are chosen: a word, such as ``'random'`` or ``'sliding'``; None for
            the clips of mmaction2's samplers.
        num_windows: Windows of a video; None where it varies with the length of the video.
        max_windows: No more windows than that.
        overlap: Share of a window that the next one shares, where windows slide.
        step_frames: Distance of sliding windows in frames, instead of ``overlap``.
        short: What is done with a video shorter than a window, as :class:`SampleWindow` names it.
        copies: How often each window is taken, for as many random draws.
        images: The frames go into a 2D network one by one: together they are one view.
        blocks: Blocks of a window; None where windows are not split.
        crops: Crops of every frame, mirror images counted.
        size: Short side in pixels of what the network sees.
        cut_from: Short side of the frames from which that is cut.
        remarks: What else a record says of the frames: crops, random changes.
        modality: ``'RGB'`` or ``'Flow'``.
        suffix: Of the video files.
        test_steps: Steps by name that a test pipeline takes in place of its own, for samplers for
            which ``SampleWindow`` cannot stand in at test time:
            ``dict(sample=dict(type='MySampler', mode='test'))``.
        where: Keys of the config that set a field, by field.
    """

    num_frames: int | None = None
    stride: float | None = None
    sampling: str | None = None
    num_windows: int | None = None
    max_windows: int | None = None
    overlap: float | None = None
    step_frames: int | None = None
    short: str | None = None
    copies: int = 1
    images: bool = False
    blocks: int | None = None
    crops: int = 1
    size: int | None = None
    cut_from: int | None = None
    remarks: tuple[str, ...] = ()
    modality: str = 'RGB'
    suffix: str = ''
    test_steps: Mapping[str, Mapping[str, Any]] | None = None
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)

    # ---------------------------------------------------------------- for transforms

    def update(self, set_by: Mapping[str, str | None] | None = None, **changes: Any) -> View:
        """This view with changes.

        Args:
            set_by: Argument of the transform that sets a field, where it has another name than the
                field; None where no argument does.
            **changes: Fields.
        """
        keys = {name: (set_by or {}).get(name, name) for name in changes}
        where = dict(self.where)
        where.update({name: (key,) for name, key in keys.items() if key is not None})
        return replace(self, where=where, **changes)

    def remark(self, words: str) -> View:
        """This view with one more remark for records."""
        return self.update(dict(remarks=None), remarks=(*self.remarks, words))

    def cropped(
        self,
        size: int | Sequence[int],
        name: str | None = None,
        ending: str = '',
        crops: int = 1,
        set_by: str = 'crop_size',
    ) -> View:
        """This view after crops of every frame.

        Args:
            size: In pixels: one side, or (width, height).
            name: What records call the crops; nothing is said without.
            ending: What they say after the sizes.
            crops: Number of crops of a frame.
            set_by: Argument of the transform that says the size.
        """
        sides = (size,) if isinstance(size, int) else tuple(size)
        said = sides[0] if len(set(sides)) == 1 else sides
        out_of = '' if self.size in (None, said) else f' out of {self.size}'
        view = self.update(
            dict(size=set_by, cut_from=set_by, crops=None),
            size=min(sides),
            cut_from=self.size,
            crops=self.crops * crops,
        )
        return view if name is None else view.remark(f'{name} {said}{out_of}{ending}')

    # ---------------------------------------------------------------- what follows

    @property
    def num_blocks(self) -> int:
        """Blocks of a window; 1 where it is not split."""
        return self.blocks or 1

    @property
    def block_frames(self) -> int | None:
        """Frames of a block, the ``T`` of a sample."""
        return None if self.num_frames is None else self.num_frames // self.num_blocks

    @property
    def num_views(self) -> int | None:
        """Views of every video: windows times crops; images are one view together."""
        if self.num_windows is None:
            return None
        return 1 if self.images else self.num_windows * self.copies * self.crops

    @property
    def num_clips(self) -> int | None:
        """Clips (or images) of a sample, the ``N`` of ``[N, C, T, H, W]``."""
        if self.num_windows is None:
            return None
        return self.num_windows * self.copies * self.crops * self.num_blocks

    @property
    def crop_share(self) -> float | None:
        """Side of a crop as a share of the short side that it is cut from."""
        if self.size is None or self.cut_from is None:
            return None
        return self.size / self.cut_from

    @property
    def sentence(self) -> str:
        """One line for a record: ``sliding windows of 40 frames at stride 3, 8 blocks, …``.

        Half overlap and a crop of the whole short side go without saying; what differs is named.
        """
        parts = [] if self.num_frames is None else [self._windows()]
        if self.blocks is not None:
            parts.append(f'{self.blocks} blocks')
        return ', '.join([*parts, *self.remarks, 'mean over views'])

    def _windows(self) -> str:
        count, kind, moving = '', 'clips', ''
        if self.sampling is not None:
            kind = f'{self.sampling} windows'
        if self.max_windows:
            count = f'at most {self.max_windows} '
        elif self.num_windows and not (
            self.num_windows == 1 and self.sampling in ('random', 'center')
        ):
            count = f'{self.num_windows} '
        if self.step_frames:
            moving = f' moving by {self.step_frames} frames'
        elif self.overlap not in (None, 0.5):
            moving = f' overlapping by {self.overlap:g}'
        stride = '' if self.stride is None else f' at stride {self.stride}'
        return f'{count}{kind} of {self.num_frames} frames{stride}{moving}'

    def differences(
        self, other: View, names: Sequence[str] = ('num_frames', 'stride', 'size')
    ) -> list[Difference]:
        """In what this view differs from another one, of what both know.

        Args:
            other: The other view.
            names: Fields to compare; ``'block_frames'`` for the frames of a block.

        Returns:
            Names, values of both, and the keys that set this view's, such as
            ``('train_dataloader.dataset.pipeline.sample.stride',)``.
        """
        return [
            Difference(
                name,
                getattr(self, name),
                getattr(other, name),
                tuple(self.where.get(dict(block_frames='num_frames').get(name, name), ())),
            )
            for name in names
            if None not in (getattr(self, name), getattr(other, name))
            and getattr(self, name) != getattr(other, name)
        ]


# ---------------------------------------------------------------- reading


def view_of(source: Any) -> View:
    """What is seen of a video, from a config.

    Every transform that is registered and describes itself is built from its config, so that its
    defaults count; others say nothing, and no name is ever imported.

    Args:
        source: Config of a run (its training pipeline counts), of a data loader or of a dataset; or
            a pipeline, as a list or as a dict of named steps, of configs or built transforms.

    Returns:
        The view. Its ``where`` begins with the keys that lead from ``source`` to its pipeline.

    Raises:
        ValueError: A transform cannot be built, or does not fit those before it.
    """
    if isinstance(source, Config) or (
        isinstance(source, Mapping) and {'train_dataloader', 'train_pipeline'} & set(source)
    ):
        view = _of_dataset(source.get('train_dataloader') or {}, 'train_dataloader.')
        if view.where or not source.get('train_pipeline'):
            return view
        return _read(source.get('train_pipeline'), 'train_pipeline.', view)
    if isinstance(source, Mapping) and {'dataset', 'pipeline'} & set(source):
        return _of_dataset(source, '')
    return _read(source)


def view_after(transforms: Iterable[Any], view: View | None = None) -> View:
    """The view after built transforms: what they say themselves, or what is known of mmaction2's.

    Args:
        transforms: In their order; those that say nothing are passed over.
        view: What there was before them.

    Raises:
        ValueError: A transform does not fit those before it.
    """
    view = view or View()
    for transform in transforms:
        describe = getattr(transform, 'describe', None)
        view = describe_foreign(transform, view) if describe is None else describe(view)
    return view


def _of_dataset(config: Mapping, place: str) -> View:
    """The view of a dataset, or of what holds one: a data loader, ``RepeatDataset``, ...."""
    while 'pipeline' not in config and config.get('dataset'):
        config, place = config['dataset'], f'{place}dataset.'
    view = View(modality=config.get('modality', 'RGB'), suffix=config.get('suffix', ''))
    return _read(config.get('pipeline'), f'{place}pipeline.', view)


def _read(pipeline: Pipeline, place: str = '', view: View | None = None) -> View:
    view = view or View()
    for path, step in located_steps(pipeline):
        transform = _built(step, f'{place}{path}') if isinstance(step, Mapping) else step
        if transform is None:
            continue
        try:
            after = view_after([transform], replace(view, where={}))
        except ValueError as error:  # it does not fit those before it
            raise ValueError(f'{place}{path}: {error}') from error
        where = dict(view.where)
        for name, (key,) in after.where.items():
            known = getattr(after, name) is not None
            where[name] = (*where.get(name, ()), f'{place}{path}.{key}') if known else ()
        view = replace(after, where=where)
    return view


def _built(step: Mapping, place: str) -> Any:
    """The transform of a config, where it has something to say; None otherwise."""
    try:
        kind = registered(TRANSFORMS, step['type'])
    except UnregisteredError:  # nobody here knows what it does; the run itself will tell
        return None
    if 'transforms' in step or not (hasattr(kind, 'describe') or is_foreign(kind)):
        return None  # steps inside a wrapper stand in their own place
    arguments = {key: value for key, value in step.items() if key not in ('type', '_scope_')}
    try:
        with seeded(0):  # mmaction2's ColorJitter draws when it is built
            return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{place} ({kind.__name__}) cannot be built: {error}') from error


# ---------------------------------------------------------------- writing


def test_pipeline(
    view: View,
    num_windows: int | None = None,
    crops: str = 'center',
    flip: bool = False,
    crop_share: float = 1.0,
    **sampling: Any,
) -> dict[str, ConfigDict]:
    """Test pipeline for an encoder: frames, blocks and size of its training, no augmentation.

    Args:
        view: What the encoder saw in its training, ``view_of(config)``.
        num_windows: That many windows at equal distances; by default windows slide over the whole
            video, overlapping by half, so that their number grows with its length.
        crops: ``'center'``, ``'three'`` or ``'five'`` crops of the training size.
        flip: Add the mirror image of every crop.
        crop_share: Side of a crop as a share of the frame's short side: 1 shows the whole centre
            square, 0.875 the 224 of 256 pixels that DPC, MemDPC and others test on.
        **sampling: Other options of ``SampleWindow``, such as ``stride=1``, ``mode='center'``, or
            ``max_windows=32``: sliding windows, but at most so many, spread over the video.

    Returns:
        Named steps: ``init``, ``sample``, ``decode``, ``resize``, ``crop``, ``blocks`` (where
        windows are split), ``format``, ``pack``. They give ``inputs`` of ``[crops * windows *
        blocks, C, T, H, W]``.

    Raises:
        ValueError: The view does not say which frames the encoder was trained on.
    """
    sampled = view.test_steps is not None or None not in (view.num_frames, view.stride)
    if not sampled or view.size is None or view.images:
        raise ValueError(
            "the encoder's config has no training pipeline with SampleWindow and Resize, so the "
            'frames it expects are unknown: give a config that has one (--encoder-config), or '
            'describe the videos by a dataset config with a pipeline of its own'
        )
    if not 0 < crop_share <= 1:
        raise ValueError(f'crop_share must lie in (0, 1], got {crop_share}')
    crop = dict(type='CenterCrop', crop_size=view.size)
    if crops != 'center' or flip:
        crop = dict(type='MultiCrop', crop_size=view.size, crops=crops, flip=flip)
    steps = dict(
        init=dict(type='VideoInit'),
        sample=_sample(view, num_windows, sampling),
        decode=dict(type='DecodeFrames'),
        resize=dict(type='Resize', scale=(-1, round(view.size / crop_share))),
        crop=crop,
    )
    if view.blocks is not None:
        steps['blocks'] = dict(type='SplitBlocks', num_blocks=view.blocks)
    steps.update(
        format=dict(type='FormatShape', input_format='NCTHW'), pack=dict(type='PackActionInputs')
    )
    own = {name: step for name, step in (view.test_steps or {}).items() if name != 'sample'}
    return {name: ConfigDict(step) for name, step in {**steps, **own}.items()}


# pytest takes it for a test where it is imported
test_pipeline.__test__ = False  # type: ignore[attr-defined]


def _sample(view: View, num_windows: int | None, sampling: dict) -> dict[str, Any]:
    count = {} if num_windows is None else dict(num_windows=num_windows)
    own = (view.test_steps or {}).get('sample')
    if own is not None:
        return {**copy.deepcopy(dict(own)), **count, **sampling}
    frames: dict[str, Any] = dict(num_frames=view.num_frames, stride=view.stride)
    if view.short is not None:
        frames['short'] = view.short
    mode = 'sliding' if num_windows is None else 'uniform'
    return {'type': 'SampleWindow', **frames, 'mode': mode, **count, **sampling}


def with_blocks(pipeline: Pipeline, count: int) -> Any:
    """A pipeline whose windows are so many blocks, of as many frames each as before.

    Args:
        pipeline: Configs of its steps.
        count: Blocks of a window.

    Returns:
        A changed copy; the pipeline itself where windows are not split into blocks.

    Raises:
        ValueError: ``count`` is below 1, or a transform does not fit so many blocks.
    """
    if not isinstance(count, int) or count < 1:
        raise ValueError(f'num_blocks must be a whole number of at least 1, not {count!r}')
    view = view_of(pipeline)
    if view.blocks is None:
        return pipeline
    changed = copy.deepcopy(pipeline)
    for key in view.where['blocks']:
        _set(changed, key, count)
    if view.block_frames is None or not view.where.get('num_frames'):
        raise ValueError(
            'num_blocks cannot be chosen: no setting of the pipeline says the frames of a window, '
            'so set its sampler and SplitBlocks by hand'
        )
    *before, last = view.where['num_frames']
    _set(changed, last, count * view.block_frames)
    for key in before:  # what a crop in time cuts from keeps its extra frames
        _set(changed, key, _get(pipeline, key) + (count - view.blocks) * view.block_frames)
    view_of(changed)
    return changed


def _get(pipeline: Any, key: str) -> Any:
    for part in key.split('.'):
        pipeline = pipeline[int(part) if isinstance(pipeline, (list, tuple)) else part]
    return pipeline


def _set(pipeline: Any, key: str, value: Any) -> None:
    *parents, name = key.split('.')
    (_get(pipeline, '.'.join(parents)) if parents else pipeline)[name] = value
