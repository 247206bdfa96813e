"""An encoder from a checkpoint: rebuilt from the config in it, loaded with a report, frozen."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import torch
from mmaction.models.recognizers import BaseRecognizer
from mmaction.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..checkpoints import (
    checkpoint_hash,
    config_from_checkpoint,
    load_checkpoint_file,
    load_encoder,
    state_dict_of,
)
from ..datasets.views import View, view_of
from ..models.recognizers.self_supervised import SelfSupervisedRecognizer
from ..settings.names import find_config, read_config


class Encoder:
    """A frozen recognizer that turns windows of raw frames into features.

    Args:
        model: Recognizer with ``extract_feat`` and ``data_preprocessor``.
        config: The config it was built from.
        name: What tables call it.
        checkpoint: Its file; None for random weights.
        checkpoint_hash: First digits of the file's SHA-256.
        seed: Seed of random weights.
    """

    def __init__(
        self,
        model: BaseRecognizer,
        config: Config,
        name: str,
        checkpoint: str | None = None,
        checkpoint_hash: str | None = None,
        seed: int | None = None,
    ) -> None:
        self.model = model.eval()
        self.config, self.name = config, name
        self.checkpoint, self.checkpoint_hash, self.seed = checkpoint, checkpoint_hash, seed
        self.bn_batches: int | None = 0  # that BatchNorm was calibrated on

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.model.parameters()).device

    @functools.cached_property
    def view(self) -> View:
        """What it was shown of a video in its training."""
        return view_of(self.config)

    @property
    def data_preprocessor(self) -> nn.Module:
        """What normalises raw frames; part of the recognizer's config."""
        return cast(nn.Module, self.model.data_preprocessor)

    def extract(self, inputs: Tensor) -> Tensor:
        """Features of windows.

        Args:
            inputs: Raw frames ``[B, N, C, T, H, W]``, 0 to 255: B windows of N blocks; or
                ``[B, N, C, H, W]``: N images for a 2D network.

        Returns:
            Pooled context ``[B, D]``, float32, on the encoder's device.
        """
        return self.extract_levels(inputs)['context']

    @torch.no_grad()
    def extract_levels(
        self, inputs: Tensor, levels: Sequence[str] = ('context',)
    ) -> dict[str, Tensor]:
        """Features of windows at several levels, by one forward pass.

        - ``context``: what the recognizer's ``extract_feat`` gives. Maps (as mmaction2's
          recognizers give them) are averaged over time and space, and over the blocks or images
          of a window.
        - ``backbone``: what the backbone gives, averaged likewise.
        - ``block``: the same of the middle block (or image) of each window alone: pooled f(x) of
          DPC, as the contrastive loss sees it, before the ReLU.
        - a method's own levels, such as ``projection``: what one of its parts makes of the averaged
          backbone, averaged over the clips (:meth:`SelfSupervisedRecognizer.feature_levels`).

        Args:
            inputs: See :meth:`extract`.
            levels: Which ones.

        Returns:
            ``[B, D]`` by level, float32, on the encoder's device. Of networks with several maps
            (SlowFast) the pooled maps are concatenated.

        Raises:
            ValueError: The encoder has no such level, or gives NaN or infinity.
        """
        data = self.data_preprocessor(dict(inputs=list(inputs), data_samples=None), training=False)
        calls, hook = [], None
        if set(levels) - {'context'}:
            backbone = getattr(self.model, 'backbone', None)
            if backbone is None:
                raise ValueError(
                    f'{self.name} has no feature level {", ".join(levels)}: a '
                    f'{type(self.model).__name__} has no backbone'
                )
            hook = backbone.register_forward_hook(lambda module, args, out: calls.append(out))
        try:
            output = self.model.extract_feat(data['inputs'])
        finally:
            if hook is not None:
                hook.remove()
        if hook is not None and len(calls) != 1:
            raise ValueError(
                f'{self.name} has no feature level {", ".join(levels)}: extract_feat '
                f'of {type(self.model).__name__} runs its backbone {len(calls)} times'
            )
        if isinstance(output, tuple) and len(output) == 2 and isinstance(output[1], dict):
            output = output[0]  # mmaction2's recognizers give arguments of the head as well
        rows = dict(context=self._pooled(output, len(inputs)).mean(1))
        if calls:
            blocks = self._pooled(calls[0], len(inputs))
            rows.update(backbone=blocks.mean(1), block=blocks[:, blocks.shape[1] // 2])
        own = own_levels(self.model)
        for level in set(levels) - set(rows):
            part = getattr(self.model, own[level]) if level in own else None
            if part is None:
                raise ValueError(
                    f'{self.name} has no feature level {level}: its {type(self.model).__name__} '
                    f'has no {own.get(level, "part that makes it")}, or the checkpoint holds no '
                    'weights of one'
                )
            rows[level] = part(blocks.flatten(0, 1)).float()
            rows[level] = rows[level].unflatten(0, blocks.shape[:2]).mean(1)
        check_finite(self.name, *(rows[level] for level in levels))
        return {level: rows[level] for level in levels}

    def _pooled(self, maps, windows):
        """Maps ``[B * N, D, ...]``, or a nest of such, as ``[B, N, D]``."""
        if isinstance(maps, (list, tuple)):
            return torch.cat([self._pooled(part, windows) for part in maps], dim=2)
        if len(maps) % windows:
            raise ValueError(
                f'{self.name} gives {len(maps)} features for {windows} windows: '
                f'extract_feat of {type(self.model).__name__} must give the same '
                'number for each'
            )
        return (
            maps.float().flatten(2).mean(2).unflatten(0, (windows, -1))
            if (maps.ndim > 2)
            else maps.float().unflatten(0, (windows, -1))
        )


def check_finite(name: str, *features: Tensor) -> None:
    """Refuse what an encoder gives when it is no number.

    Raises:
        ValueError: Some of it is NaN or infinite.
    """
    for rows in features:
        bad = int((~torch.isfinite(rows).flatten(1).all(1)).sum())
        if bad:
            raise ValueError(
                f'{bad} of {len(rows)} features of {name} are NaN or infinite: the encoder '
                'diverged, or its BatchNorm statistics are broken; take a checkpoint from before'
            )


def build_encoder(
    checkpoint: str | Path,
    encoder_config: str | Path | Config | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    name: str | None = None,
) -> Encoder:
    """Build the encoder of a checkpoint, or an untrained one.

    Args:
        checkpoint: File of a pre-training run or of ``mmssl convert``, or the word
            ``random`` for the weights a run with ``encoder_config`` would begin with.
        encoder_config: Any config with a ``model``. Needed for ``random``; for a file it replaces
            the config inside, which is parsed as data and never executed.
        seed: Seed of the random weights.
        device: Where to put it; the GPU where there is one.
        name: What tables call it; ``random`` or the file's name by default.

    Returns:
        The encoder, in eval mode, without gradients.

    Raises:
        FileNotFoundError: No such checkpoint or config.
        ValueError: ``random`` without a config, a config without a model, a checkpoint that does
            not fit it, or a device that is not there.
    """
    is_random = str(checkpoint) == 'random'
    if is_random and encoder_config is None:
        raise ValueError(
            "the checkpoint 'random' needs a config that says which encoder: add "
            '--encoder-config with any pre-training config, such as '
            'configs/demo/memdpc_demo.py'
        )
    device = _device(device)
    contents = {} if is_random else load_checkpoint_file(checkpoint)
    config = (
        _config(encoder_config)
        if encoder_config is not None
        else config_from_checkpoint(contents, str(checkpoint))
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _build(config, encoder_config if encoder_config is not None else checkpoint)
        if is_random:
            with quiet():  # mmengine logs a paragraph on every parameter
                model.init_weights()
    if is_random:
        encoder = Encoder(model, config, name or 'random', seed=seed)
    else:
        with contextlib.nullcontext() if is_main_process() else quiet('ERROR'):
            weights = state_dict_of(contents, str(checkpoint))
            parts = ['backbone', 'neck']
            for part in own_levels(model).values():
                if any(key.startswith(f'{part}.') for key in weights):
                    parts.append(part)
                else:
                    setattr(model, part, None)  # random weights must not pass for the checkpoint's
            load_encoder(model, weights, str(checkpoint), tuple(parts))
        encoder = Encoder(
            model,
            config,
            name or Path(checkpoint).name,
            str(checkpoint),
            checkpoint_hash(checkpoint),
        )
    model.requires_grad_(False).to(device)
    untracked = sum(not norm.track_running_stats for norm in norms_of(model))
    if untracked and is_main_process():
        print(
            f'note: {untracked} BatchNorm layers of {encoder.name} keep no running statistics, '
            'so a feature depends on the other windows of its batch'
        )
    return encoder


def own_levels(model: nn.Module) -> dict[str, str]:
    """Levels of features that only this model has, and the parts of it that make them."""
    return model.feature_levels() if isinstance(model, SelfSupervisedRecognizer) else {}


def norms_of(model: nn.Module) -> list[_BatchNorm]:
    """BatchNorm layers of the encoder proper; those of predictors take no part in features."""
    parts = [getattr(model, name, None) for name in ('backbone', 'neck')]
    return [
        module
        for part in parts
        if part is not None
        for module in part.modules()
        if isinstance(module, _BatchNorm)
    ]


def check_names(encoders: Sequence[Encoder]) -> None:
    """See that records can tell encoders apart.

    Raises:
        ValueError: Two have one name.
    """
    names = [encoder.name for encoder in encoders]
    if len(set(names)) < len(names):
        raise ValueError(
            'encoders of one evaluation need different names, got '
            f'{", ".join(names)}: set build_encoder(name=...)'
        )


@contextlib.contextmanager
def quiet(level: str = 'WARNING') -> Iterator[None]:
    """Let mmengine's logger pass nothing below ``level``."""
    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


def _device(name):
    """The device of that name, or the best there is; says in one sentence when it is not there."""
    if name is None:
        return torch.device(get_device())
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f'there is no device {str(name)!r} here; name one such as cpu or cuda:0 '
            f'({str(error).splitlines()[0]})'
        ) from None


def _config(source):
    if isinstance(source, (str, Path)):
        return read_config(find_config(source))
    return source if isinstance(source, Config) else Config(source)


def _build(config, source):
    model = config.get('model')
    if not isinstance(model, dict) or 'type' not in model:
        raise ValueError(
            f'the config of {source} has no model to build an encoder from: give a '
            'pre-training config, such as configs/demo/memdpc_demo.py'
        )
    init_default_scope('mmaction')
    return MODELS.build(ConfigDict(model))
