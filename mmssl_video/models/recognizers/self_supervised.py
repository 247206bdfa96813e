"""What every self-supervised recognizer shares, and what a method writes itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmaction.models.recognizers import BaseRecognizer
from mmaction.registry import MODELS
from torch import Tensor, nn

from mmssl_video.registered import UnregisteredError, registered

from .preprocessor import build_preprocessor


@dataclass(frozen=True)
class SampleNeeds:
    """What a method needs of a sample, compared with what the pipeline gives before training.

    Attributes:
        num_clips: Clips of a video in a sample (N of two-view methods); None for any number.
        num_blocks: Blocks that a window is split into; None where a method knows no blocks.
        keys: Meta keys that each training sample must have, beside its frames.
        min_batch: Smallest batch of a process.
        advice: What to set in the pipeline, ending a sentence that begins with "set".
    """

    num_clips: int | None = None
    num_blocks: int | None = None
    keys: tuple[str, ...] = ()
    min_batch: int = 1
    advice: str = ''


@dataclass(frozen=True)
class TrainingRun:
    """What a method may ask of the run that trains it.

    Attributes:
        iteration: Iterations done; 0 when training starts anew, whatever was loaded.
        progress: Share of the run that is done at the last of them, 0 to 1.
        seed: Seed of the run.
        work_dir: Its folder.
        video_names: Gives the names of the training videos, in the order of ``sample_idx``. Raises
            ValueError when they are not one list.
    """

    iteration: int
    progress: float
    seed: int
    work_dir: Path
    video_names: Callable[[], list[str]]


@dataclass(frozen=True)
class MemoryView:
    """What pictures of a memory show.

    Attributes:
        slots: The slots in the space of the targets, ``[S, D]``; of several heads only parts.
        parts: Maps windows ``[B, N, C, T, H, W]``, normalised, to rows of B by name: ``slots``
            (probability of each), ``target`` (feature in the slots' space), and, of two encoders,
            ``online`` and ``momentum`` (features) and ``concepts`` (probability of each).
    """

    slots: Tensor
    parts: Callable[[Tensor], dict[str, Tensor]]


class SelfSupervisedRecognizer(BaseRecognizer):
    """Trains an encoder without labels; a subclass is a method.

    A method writes :meth:`compute` and :meth:`extract_feat`, names its slots in :attr:`LOSSES`,
    says what it :meth:`needs` of a sample, and overrides what else of the contract below concerns
    it. Each of these has a default that gives nothing, or refuses in one sentence. The tail of
    every method, ``loss``, ``predict``, ``_forward`` and the preprocessor, is written here.

    ``extract_feat(inputs)``, required: ``[B, N, C, T, H, W]``, normalised, to the representation
    that is judged, ``[B, D]``. The encoder's parts are called ``backbone`` and ``neck``, so that
    its weights pass to classifiers without renaming.

    Args:
        backbone: Config of the encoder.
        losses: Changes of :attr:`LOSSES` by slot: another type, or other settings of the same. A
            term of weight 0, or None, is not computed.
        data_preprocessor: Config of the data preprocessor; mmaction2's as it is by default.
        without: Slots that the method at hand lacks the parts for; they stay empty.
        kwargs: Other parts that mmaction2's recognizers have, such as ``neck``.

    Raises:
        ValueError: For a slot that the method does not have, or no loss at all.
    """

    #: Config of the loss in each slot where the user's config says nothing else.
    LOSSES: dict[str, dict] = {}

    def __init__(
        self,
        backbone: dict,
        losses: dict | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        without: Sequence[str] = (),
        **kwargs: Any,
    ):
        super().__init__(
            backbone, data_preprocessor=build_preprocessor(data_preprocessor), **kwargs
        )
        self.losses = self.build_losses(losses, without)

    # ------------------------------------------------------------------ mathematics

    @abstractmethod
    def compute(
        self, inputs: Tensor, data_samples: list | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The terms of the loss and everything worth watching, for a batch.

        ``self.training`` tells a step of training from held-out videos, which a memory of the
        training videos must neither answer for nor learn from.

        Args:
            inputs: ``[B, N, C, T, H, W]``, normalised.
            data_samples: The B samples' labels and meta information.

        Returns:
            Losses by slot, before their weights; and scalars by name, ``feature_std`` among them,
            by which a collapse is noticed. No name of a scalar holds the word "loss".
        """

    def loss(self, inputs: Tensor, data_samples: list | None = None, **kwargs) -> dict[str, Tensor]:
        """What mmengine minimises, the weighted terms ``loss_<slot>``, and scalars to log."""
        losses, stats = self.compute(inputs, data_samples)
        return {**self._weighted(losses), **self._scalars(stats)}

    def predict(self, inputs: Tensor, data_samples: list, **kwargs) -> list:
        """Attach the batch's ``ssl_stats`` to its samples, for validation on held-out videos.

        They are the total ``loss`` and the scalars of :meth:`compute`, as numbers.
        """
        losses, stats = self.compute(inputs, data_samples)
        total = sum(self._weighted(losses).values())
        values = {k: v.item() for k, v in {'loss': total, **self._scalars(stats)}.items()}
        for sample in data_samples:
            sample.set_field(values, 'ssl_stats')
        return data_samples

    def _forward(self, inputs: Tensor, **kwargs) -> Tensor:
        return self.extract_feat(inputs)

    def _weighted(self, losses):
        return {
            f'loss_{slot}': (self.losses[slot].weight if slot in self.losses else 1.0) * value
            for slot, value in losses.items()
        }

    def _scalars(self, stats):
        for name in stats:
            if 'loss' in name:
                raise ValueError(
                    f'{type(self).__name__}.compute calls a scalar {name!r}, and mmengine adds up '
                    'whatever has "loss" in its name: give it another'
                )
        return {name: value.detach() for name, value in stats.items()}

    # ------------------------------------------------------------------ losses

    @classmethod
    def build_losses(cls, losses: Mapping | None, without: Sequence[str] = ()) -> nn.ModuleDict:
        """The losses that are computed, by slot.

        Args:
            losses, without: See the class.

        Raises:
            ValueError: See the class.
        """
        losses, built = dict(losses or {}), nn.ModuleDict()
        unknown = sorted(set(losses) - set(cls.LOSSES))
        if unknown:
            raise ValueError(
                f'{cls.__name__} has no slot model.losses.{unknown[0]}: its slots are '
                f'{", ".join(cls.LOSSES)}'
            )
        for slot, default in cls.LOSSES.items():
            given = losses.get(slot, {})
            if slot in without or given is None or given.get('weight') == 0:
                continue
            same = given.get('type', default['type']) == default['type']
            built[slot] = MODELS.build({**(default if same else {}), **given})
        if cls.LOSSES and not built:
            raise ValueError(
                f'the weights of the losses of {cls.__name__} are all 0: one of '
                f'{", ".join(f"model.losses.{slot}" for slot in cls.LOSSES)} must be computed'
            )
        return built

    # ------------------------------------------------------------------ before a run

    @classmethod
    def needs(cls, model: Mapping) -> SampleNeeds:
        """What the method needs of a sample.

        Args:
            model: Its config.
        """
        return SampleNeeds()

    @classmethod
    def check_config(cls, cfg: Mapping) -> None:
        """Refuse, before anything is built, a config that would train this method wrongly.

        A method checks here what concerns nobody else, and calls this one.

        Args:
            cfg: The whole config of a training run.

        Raises:
            ValueError: What is wrong and how to mend it, in one sentence.
        """
        least = cls.needs(cfg['model']).min_batch
        if cfg['train_dataloader'].get('batch_size', 1) < least:
            raise ValueError(
                f'train_dataloader.batch_size must be at least {least} in each process: batch '
                'norm has no statistics, and a loss no negatives, of a single video'
            )
        if cls.follows_steps(cfg['model']):
            names = [str(hook.get('type')).split('.')[-1] for hook in cfg.get('custom_hooks') or ()]
            if not {'MethodHook', 'MomentumUpdateHook', 'MemoryBankHook'} & set(names):
                raise ValueError(
                    f'what follows an optimizer step of {cls.__name__} would never happen: add '
                    "dict(type='MethodHook') to custom_hooks, or inherit from "
                    '_base_/default_runtime.py'
                )

    @classmethod
    def follows_steps(cls, model: Mapping) -> bool:
        """Whether anything follows an optimizer step, so that a run needs :class:`MethodHook`."""
        return cls.after_step is not SelfSupervisedRecognizer.after_step

    # ------------------------------------------------------------------ in a run, by MethodHook

    def before_training(self, run: TrainingRun) -> None:
        """Prepare for a run; weights are loaded by then, :meth:`load_state` comes after."""

    def after_step(self, progress: float) -> None:
        """What follows an optimizer step: a target encoder moves, a bank learns.

        Called once per step, however many batches were accumulated to it, on every process.

        Args:
            progress: Share of the run that was done at the first batch of the step, 0 to 1.
        """

    def after_training(self, folder: Path) -> None:
        """Remove what is not needed after a run, on every process.

        Args:
            folder: Where the checkpoints lie.
        """

    def save_state(self, folder: Path, iteration: int) -> dict[str, Any]:
        """What must be in a checkpoint beside the weights, by key; of the main process alone.

        Args:
            folder: Where the checkpoint is about to be written, and large files beside it may be.
            iteration: Iterations done, for their names.
        """
        return {}

    def load_state(self, checkpoint: Mapping[str, Any], folder: Path) -> None:
        """Go on from what :meth:`save_state` put into a checkpoint, when a run is resumed.

        Args:
            checkpoint: The whole of it.
            folder: Where it lies.

        Raises:
            ValueError: It does not belong to this run.
        """

    @classmethod
    def settings_at(cls, trained: Mapping, epoch: int) -> dict[str, Any]:
        """Settings of the model in an epoch, where a curriculum changes them while training.

        Args:
            trained: Config of the run.
            epoch: Epoch, counted from 0.

        Returns:
            Values by name, as in ``cfg.model``; none where nothing changes.
        """
        return {}

    @classmethod
    def upgrade(cls, model: Mapping) -> dict:
        """Translate the settings of older checkpoints of this method to today's.

        Args:
            model: Config of the model as it was saved.

        Returns:
            A config for today's class; what is of today already stays as it is.
        """
        return dict(model)

    # ------------------------------------------------------------------ after a run

    @property
    def observed_blocks(self) -> int | None:
        """Blocks that a prediction rests on in training; None where no block is predicted."""
        return None

    def reference_levels(self, clip: Tensor, batch_size: int) -> dict[str, float]:
        """What guessing and shortcuts reach of the figures that validation gives, 0 to 1, by name.

        Args:
            clip: One sample's input, ``[N, C, T, H, W]``; only its shape matters.
            batch_size: Samples of a batch; held-out ones are compared with no others.
        """
        return {}

    def guessing_loss(self, stats: Mapping[str, float]) -> float | None:
        """The loss of a model that guesses, by which a diverged one is known.

        Args:
            stats: What :meth:`compute` gave to watch, such as ``num_negatives``.

        Returns:
            The total loss; None where the method does not know it.
        """
        return None

    def feature_levels(self) -> dict[str, str]:
        """Levels of features beside context and backbone, for extraction and probes.

        Returns:
            By level, the child module that makes it of averaged backbone features, ``[R, d]`` to
            ``[R, D]``.
        """
        return {}

    def memory_view(self) -> MemoryView:
        """What pictures of the memory show.

        Raises:
            ValueError: There is no memory.
        """
        predictor = getattr(self, 'predictor', None)
        raise ValueError(
            f'a {type(self).__name__} with a {type(predictor).__name__} has no memory slots to '
            'draw: give a checkpoint of MemDPC, KVMemPred or FGKVMemPred'
        )

    def predict_steps(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """True and predicted feature of each step of a video, by which surprise is measured.

        Args:
            inputs: ``[B, N, C, T, H, W]``, normalised.

        Returns:
            Each ``[B, N - 1, D, h, w]``.

        Raises:
            ValueError: The method predicts no steps.
        """
        raise ValueError(
            f'a {type(self).__name__} predicts no blocks: surprise needs a checkpoint of DPC or '
            'MemDPC pre-training'
        )

    # ------------------------------------------------------------------ helpers of methods

    def check_clips(self, inputs: Tensor, count: int, advice: str) -> None:
        """See whether a batch holds ``count`` clips of each video.

        Raises:
            ValueError: It does not; ``advice`` says what to set.
        """
        if inputs.ndim != 6 or inputs.shape[1] != count:
            raise ValueError(
                f'inputs must be [batch, {count} clips, channels, frames, height, width], got '
                f"{tuple(inputs.shape)}: set {advice} in the pipeline, and FormatShape('NCTHW')"
            )

    def labels(
        self, data_samples: Sequence | None, name: str, source: str, views: int = 2
    ) -> Tensor:
        """What data samples say of their views, ``[views * B]``, view after view.

        Args:
            data_samples: B of them.
            name: Meta key; a value of a sample counts for all its views.
            source: Transform or dataset that gives it, for the message.
            views: Views of a sample.

        Raises:
            ValueError: A sample does not say it.
        """
        samples = data_samples or []
        if not samples or any(name not in sample.metainfo for sample in samples):
            raise ValueError(
                f'a data sample has no {name}, which {type(self).__name__} needs: {source} gives '
                f"it and PackActionInputs(meta_keys=('{name}', ...)) passes it on"
            )
        values = [np.broadcast_to(sample.metainfo[name], views) for sample in samples]
        return torch.from_numpy(np.stack(values, 1).reshape(-1))


def check_widths(pairs: Sequence[tuple[str, int, int | None]]) -> None:
    """See whether parts fit each other.

    Args:
        pairs: Setting, its value, and the width of what the part reads or is compared with (None:
            unknown).

    Raises:
        ValueError: They do not.
    """
    for name, given, needed in pairs:
        if needed is not None and given != needed:
            raise ValueError(
                f'{name} is {given} but what it goes with has {needed} channels: '
                f'set {name}={needed}'
            )


def method_of(model: Mapping | None) -> type[SelfSupervisedRecognizer] | None:
    """The class of a model's config where it is a self-supervised method, None otherwise.

    The config may be that of a checkpoint: no name in it is imported.
    """
    try:
        recognizer = registered(MODELS, (model or {}).get('type'))
    except UnregisteredError:  # building it will say so
        return None
    is_method = isinstance(recognizer, type) and issubclass(recognizer, SelfSupervisedRecognizer)
    return recognizer if is_method else None


def upgrade_model_config(model: Mapping) -> dict:
    """A model's config from an older checkpoint in today's settings; others as they are."""
    method = method_of(model)
    return dict(model) if method is None else method.upgrade(model)
