"""Run the protocols of an evaluation config on encoders, with honest baselines beside them.

An evaluation goes through four stages, each in a file of its own: the plan that a config asks for
(:mod:`mmssl_video.settings.evaluation`), encoders (:mod:`.encoder`), features of all lists
(:mod:`.evaluation_features`), and records (:mod:`.evaluation_records`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process

from ..evaluation.baselines import baselines_for
from ..results.evaluation_files import EvaluationResult, save_results
from ..results.records import append_results, read_results
from ..settings.evaluation import evaluation_plans
from .calibration import calibrate_encoders
from .encoder import Encoder, build_encoder, check_names
from .evaluation_features import extract_lists
from .evaluation_records import judge, subjects_of
from .untrained import random_twins

#: Batches of gallery clips on which the random encoder's BatchNorm is calibrated.
CALIBRATION_BATCHES = 16


def run_evaluation(
    cfg: str | Path | Config,
    checkpoint: str | Path | Encoder | Sequence[str | Path | Encoder],
    *,
    out: str | Path | None = None,
    dump: str | Path | None = None,
    **options: Any,
) -> list[dict]:
    """Evaluate encoders by the protocols of a config.

    Everything that can be wrong with lists, labels, options and the results file is said before
    the first video is read. Every video is read once, for all encoders, baselines, feature levels
    and protocols.

    Args:
        cfg: Config with ``evaluation = dict(dataset=NAME, gallery=LOADER,
            query=LOADER, protocol=dict(type=NAME, **options) or a list of such, views=dict(),
            feature='context', baselines=True, max_bad_share=0.05, window_batch=16)``.

            A LOADER is a data loader config, its dataset in test mode. A dataset without a pipeline
            gets that of :func:`.datasets.views.test_pipeline`: the frames, blocks and size the
            encoder was trained on, with the options ``views``; a LOADER may have ``views`` of its
            own.
            ``feature`` is the level (see :meth:`Encoder.extract_levels`) of all protocols that are
            not defined on another; ``protocol=dict(type=NAME, feature=...)`` sets it for one.
        checkpoint: What to evaluate: checkpoint files, the word ``random``, or built encoders.
        out: JSON file to append the records to.
        dump: ``.npz`` to write class probabilities to, or the features of a retrieval, see
            :mod:`mmssl_video.results.result_files`. Of several protocols or encoders each gets
            its file, with protocol or encoder in its name.
        **options: Of :func:`evaluate`: ``encoder_config``, ``seed``, ``device``,
            ``calibrate_bn``, ``baselines``, ``progress``.

    Returns:
        Records, see :func:`mmssl_video.results.records.make_record`; the same in
        every process of a distributed run.

    Raises:
        ValueError: Config, labels or options are wrong.
        FileNotFoundError: A list, checkpoint or config is not there.
        RuntimeError: Too many videos cannot be read.
    """
    if out is not None:
        read_results(out)  # an unreadable results file must not cost a whole run
    [results] = evaluate([cfg], checkpoint, **options)
    box = [[result.record for result in results]]
    if is_main_process():
        if out is not None:
            append_results(out, box[0])
        if dump is not None:
            save_results(dump, results)
    broadcast_object_list(box)
    return box[0]


def evaluate(
    cfgs: Sequence[str | Path | Config],
    checkpoint: str | Path | Encoder | Sequence[str | Path | Encoder],
    *,
    encoder_config: str | Path | Config | None = None,
    seed: int = 0,
    device: str | None = None,
    calibrate_bn: int = 0,
    baselines: bool | None = None,
    progress: bool = True,
) -> list[list[EvaluationResult]]:
    """One evaluation, or one for each split.

    Args:
        cfgs: Configs that differ in their lists alone, see :func:`run_evaluation`.
        checkpoint: See :func:`run_evaluation`.
        encoder_config: Config of the encoder, see :func:`build_encoder`.
        seed: Of random weights and of the protocols' splits.
        device: Where to compute.
        calibrate_bn: Batches of gallery clips (without their labels) on which BatchNorm statistics
            of the encoders built here are set first; 0 leaves them as they are.
        baselines: Put trivial features and the untrained encoder beside the encoders; None: as
            the config says, else yes.
        progress: Show progress lines.

    Returns:
        Results of each config in the main process of a run; none in the others.

    Raises: see :func:`run_evaluation`.
    """
    plans = evaluation_plans(cfgs)
    sources = [checkpoint] if isinstance(checkpoint, (str, Path, Encoder)) else list(checkpoint)
    encoders = [
        source
        if isinstance(source, Encoder)
        else build_encoder(source, encoder_config, seed, device)
        for source in sources
    ]
    viewers = [(encoder.name, encoder.view) for encoder in encoders]
    plans = [plan.shown_to(viewers) for plan in plans]
    with_baselines = plans[0].baselines if baselines is None else baselines
    trivial = baselines_for(plans[0].modalities[0]) if with_baselines else {}
    gallery = plans[0].loaders['gallery'], plans[0].datasets['gallery']
    if calibrate_bn:
        built_here = [each for each, source in zip(encoders, sources) if each is not source]
        calibrate_encoders(built_here, *gallery, calibrate_bn, seed)
    check_names(encoders)
    twins = random_twins(encoders, seed) if with_baselines else []
    uncalibrated = [twin for twin in twins if twin.bn_batches is None]
    calibrate_encoders(uncalibrated, *gallery, CALIBRATION_BATCHES, seed)
    sets = extract_lists(plans, [*encoders, *twins], trivial, progress)
    if not is_main_process():
        return [[] for _ in plans]
    subjects = subjects_of(encoders, twins, trivial, seed)
    at = str(encoders[0].device)
    return [
        judge(plan, subjects, features, seed, at, majority=with_baselines)
        for plan, features in zip(plans, sets)
    ]
