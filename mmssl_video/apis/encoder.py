"""An encoder from a checkpoint: rebuilt from the config in it, loaded with a report, frozen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
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
from ..models.recognizers.self_supervised import SelfSupervisedRecognizer
from ..settings.names import find_config
from .views import as_windows, find_pipeline, num_blocks_of


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
        model: nn.Module,
        config: Config,
        name: str,
        checkpoint: str | None = None,
        checkpoint_hash: str | None = None,
        seed: int | None = None,
    ) -> None:
        self.model = model.eval()
        self.config, self.name = config, name
        self.checkpoint, self.checkpoint_hash, self.seed = checkpoint, checkpoint_hash, seed
        self.bn_batches = 0  # that BatchNorm was calibrated on

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.model.parameters()).device

    @property
    def data_preprocessor(self) -> nn.Module:
        """What normalises raw frames; part of the recognizer's config."""
        return self.model.data_preprocessor

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
            ValueError: The encoder has no such level.
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
            found = self.model.extract_feat(data['inputs'])
        finally:
            if hook is not None:
                hook.remove()
        if hook is not None and len(calls) != 1:
            raise ValueError(
                f'{self.name} has no feature level {", ".join(levels)}: extract_feat '
                f'of {type(self.model).__name__} runs its backbone {len(calls)} times'
            )
        if isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict):
            found = found[0]  # mmaction2's recognizers give arguments of the head as well
        rows = dict(context=self._pooled(found, len(inputs)).mean(1))
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
        return {level: rows[level] for level in levels}

    def _pooled(self, found, windows):
        """Maps ``[B * N, D, ...]``, or a nest of such, as ``[B, N, D]``."""
        if isinstance(found, (list, tuple)):
            return torch.cat([self._pooled(part, windows) for part in found], dim=2)
        if len(found) % windows:
            raise ValueError(
                f'{self.name} gives {len(found)} features for {windows} windows: '
                f'extract_feat of {type(self.model).__name__} must give the same '
                'number for each'
            )
        return (
            found.float().flatten(2).mean(2).unflatten(0, (windows, -1))
            if (found.ndim > 2)
            else found.float().unflatten(0, (windows, -1))
        )


def build_encoder(
    checkpoint: str | Path,
    encoder_config: str | Path | Config | None = None,
    seed: int = 0,
    device: str | None = None,
    name: str | None = None,
) -> Encoder:
    """Build the encoder of a checkpoint, or an untrained one.

    Args:
        checkpoint: File of a pre-training run or of ``tools/convert_checkpoint.py``, or the word
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
    contents = None if is_random else load_checkpoint_file(checkpoint)
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
    untracked = sum(not norm.track_running_stats for norm in _norms(model))
    if untracked and is_main_process():
        print(
            f'note: {untracked} BatchNorm layers of {encoder.name} keep no running statistics, '
            'so a feature depends on the other windows of its batch'
        )
    return encoder


def own_levels(model: nn.Module) -> dict[str, str]:
    """Levels of features that only this model has, and the parts of it that make them."""
    return model.feature_levels() if isinstance(model, SelfSupervisedRecognizer) else {}


def calibrate_batchnorm(
    encoder: Encoder, batches: Iterable[dict], num_batches: int, num_blocks: int | None = None
) -> int:
    """Replace BatchNorm's running statistics by those of unlabelled clips, in place.

    An untrained encoder has running statistics 0 and 1, which no data ever gave it; with the
    statistics of real clips it is another, often quite different, encoder. The mean over batches
    is cumulative (``momentum=None``). No weight changes.

    Of every video the middle window is used: a long video counts no more than a short one, its
    overlapping windows add little, and memory does not grow with its length.

    Args:
        encoder: Changed in place; its name gets ``, BN calibrated``.
        batches: Batches of a data loader, ``dict(inputs=[[M, C, T, H, W], …])``.
        num_batches: How many of them to use at most.
        num_blocks: Blocks per window of the inputs; by default that of the encoder's own config.

    Returns:
        Batches used; 0 where there are no running statistics to set, with a notice.

    Raises:
        ValueError: For no batch at all.
    """
    norms = [norm for norm in _norms(encoder.model) if norm.track_running_stats]
    if not norms:
        if is_main_process():
            print(
                f'note: {encoder.name} has no BatchNorm layer with running statistics: there is '
                'nothing to calibrate'
            )
        return 0
    num_blocks = num_blocks or num_blocks_of(find_pipeline(encoder.config))
    momenta = [norm.momentum for norm in norms]
    used = 0
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        for batch in batches:
            if used == num_batches:
                break
            if batch['inputs']:  # else all videos of the batch are unreadable
                windows = [as_windows(x, num_blocks) for x in batch['inputs']]
                encoder.extract(torch.stack([view[len(view) // 2] for view in windows]))
                used += 1
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
            norm.eval()
    if not used:
        raise ValueError(
            'BatchNorm cannot be calibrated on no batch: num_batches must be at least '
            '1 and the list must name a video'
        )
    encoder.name += ', BN calibrated'
    encoder.bn_batches = used
    return used


def random_twins(encoders: Sequence[Encoder], seed: int = 0) -> list[Encoder]:
    """The untrained encoders that belong beside trained ones, two for every architecture.

    One is as initialised; the other (where BatchNorm keeps running statistics) is meant to be
    calibrated, and carries ``bn_batches=None`` until it is. Weights that a config would load from
    elsewhere (``pretrained``, ``init_cfg``) are left out: they would not be random. Where random
    encoders are among those given, or no config tells how to build one, there is none; in the
    latter case a notice says so.

    Args:
        encoders: Encoders that are evaluated.
        seed: Seed of the random weights.
    """
    twins, seen = [], []
    if any(encoder.seed is not None for encoder in encoders):
        return twins
    for encoder in encoders:
        model = encoder.config.get('model')
        if not isinstance(model, dict) or 'type' not in model:
            if is_main_process():
                print(f'note: no random encoder beside {encoder.name}: its config has no model')
            continue
        model = _without_weights(model)
        if model in seen:
            continue
        seen.append(model)
        config = Config(dict(encoder.config.to_dict(), model=model))
        name = 'random' if len(seen) == 1 else f'random (as {encoder.name})'
        twins.append(build_encoder('random', config, seed, encoder.device, name))
        if any(norm.track_running_stats for norm in _norms(twins[-1].model)):
            twins.append(build_encoder('random', config, seed, encoder.device, name))
            twins[-1].bn_batches = None
    return twins


def _without_weights(config):
    """A model's config without places to load weights from."""
    if isinstance(config, dict):
        # mmaction2's 3D networks inflate 2D weights unless pretrained is None
        return {
            key: None if key == 'pretrained' else _without_weights(value)
            for key, value in config.items()
            if not (key == 'init_cfg' and 'Pretrained' in str(value))
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_without_weights(value) for value in config)
    return config


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
        return Config.fromfile(find_config(source))
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


def _norms(model):
    """BatchNorm layers of the encoder proper; those of predictors take no part in features."""
    parts = [getattr(model, name, None) for name in ('backbone', 'neck')]
    return [
        m for part in parts if part is not None for m in part.modules() if isinstance(m, _BatchNorm)
    ]
