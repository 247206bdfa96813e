"""Testing what a config asks for: ``test(cfg, checkpoint)``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process

from ..results.records import append_results
from ..settings.kinds import kind_of
from .evaluation import run_evaluation
from .loop import run_loop
from .unintentional_surprise import run_surprise


def test(
    cfg: Config,
    checkpoint: str | Path,
    *,
    seed: int = 0,
    launcher: str = 'none',
    options: dict | None = None,
    out: str | Path | None = None,
    **settings: Any,
) -> list[dict]:
    """Evaluate a checkpoint as a config says.

    A config with an ``evaluation`` part runs its probes and retrievals, one with a ``surprise``
    part looks for failures by surprise. Any other runs mmengine's test loop (a network trained for
    a task: figures with baselines beside them), or its validation loop where it has no
    ``test_dataloader`` (a pre-training config: its own loss and accuracies on held-out videos).

    Args:
        cfg: Config with a ``work_dir``; changed.
        checkpoint: File, or the word ``random`` for an untrained network.
        seed: Of random weights and of splits of the training set.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``: of a loop, which starts its
            processes itself.
        options: Settings, by dotted name, that win over those of the checkpoint's own config.
        out: JSON file to append the records to.
        **settings: ``dump`` and ``baselines``, and of an encoder that is built ``encoder_config``,
            ``device`` and ``calibrate_bn``, as far as the kind of test takes them
            (:mod:`mmssl_video.settings.kinds`).

    Returns:
        Records, the same in every process: see :func:`run_evaluation`, :func:`run_surprise` and
        :func:`run_loop`.

    Raises:
        ValueError, FileNotFoundError: As these do.
    """
    if kind_of(cfg).is_loop:
        settings.update(launcher=launcher, options=options)
    return _RUNS[kind_of(cfg).key](cfg, checkpoint, seed=seed, out=out, **settings)


test.__test__ = False  # type: ignore[attr-defined]  # pytest takes any test* for one of its own


def _surprise(cfg, checkpoint, *, seed, out, encoder_config=None, device=None, **_):
    """The ``surprise`` part of a config: ``dict(dataset=NAME, videos=DATASET, …)``.

    What else is in it are arguments of :func:`run_surprise`.
    """
    part = dict(cfg.surprise)
    return run_surprise(
        checkpoint,
        part.pop('videos'),
        name=part.pop('dataset'),
        out=cfg.work_dir,
        results=out,
        seed=seed,
        encoder_config=encoder_config,
        device=device,
        **part,
    )[0]


def _loop(cfg, checkpoint, *, seed, out, launcher, options, dump=None, baselines=None, **_):
    records = run_loop(
        cfg, checkpoint, seed, launcher, options, dump=dump, baselines=baselines is not False
    )
    if out is not None and is_main_process():
        append_results(out, records)
    return records


#: What runs each kind of test, by the key of :data:`mmssl_video.settings.kinds.KINDS`.
_RUNS: dict[str, Callable[..., list[dict]]] = {
    'evaluation': run_evaluation,
    'surprise': _surprise,
    'classification': _loop,
    'unintentional': _loop,
    '': _loop,
}
