"""Run the protocols of an evaluation config on encoders, with honest baselines beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process
from torch.utils.data import DataLoader, Dataset, Subset

from ..evaluation import ProtocolOutput
from ..evaluation.baselines import baselines_for, majority_top1
from ..results.records import append_results, closeness_warnings, make_record, read_results
from ..results.result_files import ClassScores, RetrievalFeatures
from ..settings.evaluation import (
    ROLES,
    check_role_lists,
    evaluation_settings,
    infos_of,
    protocol_of,
    same_views,
)
from .encoder import Encoder, build_encoder, calibrate_batchnorm, random_twins
from .features import FeatureSet, Guarded, build_dataset, extract_needs
from .union import UnionDataset
from .views import describe_views, modality_of, num_blocks_of, num_views_of, view_pipeline

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
            gets that of :func:`.views.view_pipeline`: the frames, blocks and size the encoder was
            trained on, with the options ``views``; a LOADER may have ``views`` of its own.
            ``feature`` is the level (see :meth:`Encoder.extract_levels`) of all protocols that are
            not defined on another; ``protocol=dict(type=NAME, feature=...)`` sets it for one.
        checkpoint: What to evaluate: checkpoint files, the word ``random``, or built encoders.
        out: JSON file to append the records to.
        dump: ``.npz`` to write class probabilities to, or the features of a retrieval, see
            :mod:`mmssl_video.results.result_files`. Of several protocols or encoders each gets
            its file, with protocol or encoder in its name.
        **options: Of :class:`Evaluation`: ``encoder_config``, ``seed``, ``device``,
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
    evaluation = Evaluation([cfg], checkpoint, **options)
    box = [None]
    sets = evaluation.extract()
    if is_main_process():
        results = evaluation.judge(0, sets[0])
        box[0] = [result.record for result in results]
        if out is not None:
            append_results(out, box[0])
        if dump is not None:
            _dump(Path(dump), [r for r in results if r.record['kind'] == 'encoder'])
    broadcast_object_list(box)
    return box[0]


@dataclass
class Result:
    """A record, and what it was made from (nothing for the majority class)."""

    record: dict
    output: ProtocolOutput
    sets: dict[str, FeatureSet] | None
    listed: dict[str, dict[str, str]]


class Evaluation:
    """Encoders, protocols and lists, all checked, of one evaluation or of one for each split.

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

    Raises: see :func:`run_evaluation`.
    """

    def __init__(
        self,
        cfgs: Sequence[str | Path | Config],
        checkpoint: str | Path | Encoder | Sequence[str | Path | Encoder],
        *,
        encoder_config: str | Path | Config | None = None,
        seed: int = 0,
        device: str | None = None,
        calibrate_bn: int = 0,
        baselines: bool | None = None,
        progress: bool = True,
    ) -> None:
        self.settings = [evaluation_settings(cfg) for cfg in cfgs]
        first = self.settings[0]
        self.seed, self.progress = seed, progress
        self.protocols = [protocol_of(each, first.get('feature')) for each in first['protocol']]
        self.needs = list(
            dict.fromkeys((level, protocol.clips) for protocol, _, level in self.protocols)
        )
        self.datasets = [
            {role: build_dataset({'pipeline': [], **settings[role]['dataset']}) for role in ROLES}
            for settings in self.settings
        ]
        self.warnings = [check_role_lists(datasets) for datasets in self.datasets]

        self.encoders = []
        for source in checkpoint if isinstance(checkpoint, (list, tuple)) else [checkpoint]:
            built = isinstance(source, Encoder)
            self.encoders.append(
                source if built else build_encoder(source, encoder_config, seed, device)
            )
            if not built and calibrate_bn:
                self._set_pipelines()
                self._calibrate(self.encoders[-1], calibrate_bn)
        names = [encoder.name for encoder in self.encoders]
        if len(set(names)) < len(names):
            raise ValueError(
                'encoders of one evaluation need different names, got '
                f'{", ".join(names)}: set build_encoder(name=...)'
            )
        self._set_pipelines()
        views = {role: num_views_of(first[role]['dataset']['pipeline']) for role in ROLES}
        for protocol, _, _ in self.protocols:
            protocol.check_views(views)
        if baselines is None:
            baselines = first.get('baselines', True)
        modalities = [first[role]['dataset'].get('modality', 'RGB') for role in ROLES]
        self.trivial = baselines_for(modalities[0]) if baselines else {}
        self.twins = random_twins(self.encoders, seed) if baselines else []
        for twin in self.twins:
            if twin.bn_batches is None:
                self._calibrate(twin, CALIBRATION_BATCHES)
        self._check_modality(modalities)

    def extract(self) -> list[dict[str, list[dict[tuple[str, str], FeatureSet]]]]:
        """Features of all lists, by role; each video is read once.

        Returns:
            For each config, by role: one dictionary per encoder, untrained encoder and trivial
            baseline, in this order, of features by need.
        """
        first = self.settings[0]
        datasets = self.datasets
        shared = len(datasets) > 1 and same_views(first)
        jobs = [ROLES] if shared else [(role,) for role in ROLES]
        sets = [{} for _ in datasets]
        for roles in jobs:
            loader = first[roles[0]]
            parts = [each[role] for each in datasets for role in roles]
            union = parts[0] if len(parts) == 1 else UnionDataset(parts)
            found = extract_needs(
                [*self.encoders, *self.twins],
                self.trivial,
                union,
                loader['dataset']['pipeline'],
                self.needs,
                what=' and '.join(roles),
                batch_size=loader.get('batch_size', 8),
                num_workers=loader.get('num_workers', 0),
                window_batch=first.get('window_batch', 16),
                max_bad_share=first.get('max_bad_share', 0.05),
                progress=self.progress,
            )
            for i, each in enumerate(datasets):
                for role in roles:
                    sets[i][role] = (
                        found
                        if len(parts) == 1
                        else [
                            {
                                need: features.select(*infos_of(each[role]))
                                for need, features in column.items()
                            }
                            for column in found
                        ]
                    )
        return sets

    def judge(self, index: int, sets: dict) -> list[Result]:
        """Run every protocol on the features of every subject, trivial ones first.

        Args:
            index: Which config.
            sets: Its features, as :meth:`extract` gives them.
        """
        settings = self.settings[index]
        # What is trivial reads better before the encoders it qualifies.
        count, untrained = len(self.encoders), len(self.twins)
        order = [
            *range(count + untrained, len(sets['query'])),
            *range(count, count + untrained),
            *range(count),
        ]
        people = [*self.encoders, *self.twins]
        nobody = dict(
            kind='baseline', checkpoint=None, checkpoint_hash=None, bn_batches=0, seed=self.seed
        )
        subjects = [
            dict(
                subject=e.name,
                kind='encoder' if i < count else 'baseline',
                checkpoint=e.checkpoint,
                checkpoint_hash=e.checkpoint_hash,
                seed=self.seed if e.seed is None else e.seed,
                bn_batches=e.bn_batches,
            )
            for i, e in enumerate(people)
        ]
        subjects += [dict(nobody, subject=name) for name in self.trivial]
        listed = {
            role: dict(zip(*infos_of(dataset, 'name')))
            for role, dataset in self.datasets[index].items()
        }
        results = []
        for protocol, options, level in self.protocols:
            need = (level, protocol.clips)
            chosen = [(subjects[i], {role: sets[role][i][need] for role in ROLES}) for i in order]
            labels = [chosen[0][1][role].labels for role in ROLES]
            common = dict(
                protocol=protocol.name,
                version=protocol.version,
                options=options,
                dataset=settings['dataset'],
                views=_views(settings, protocol.clips),
                feature=level,
                split={role: Path(settings[role]['dataset']['ann_file']).name for role in ROLES},
                num_gallery=len(labels[0]),
                num_queries=len(labels[1]),
                num_classes=len(np.unique(labels[0])),
                unreadable={role: chosen[0][1][role].unreadable for role in ROLES},
            )
            runs = []
            for subject, pair in chosen:
                arrays = [
                    array
                    for role in ROLES
                    for array in (pair[role].features, pair[role].row_labels)
                ]
                runs.append(
                    (
                        subject,
                        protocol(
                            *arrays,
                            seed=self.seed,
                            **{'device': str(self.encoders[0].device), **options},
                        ),
                        pair,
                    )
                )
            if self.trivial and 'top1' in runs[0][1].metrics:
                chance = runs[0][1].chance
                runs.insert(
                    0,
                    (
                        dict(nobody, subject='majority class'),
                        ProtocolOutput(
                            dict(top1=majority_top1(*labels)), dict(top1=chance['top1'])
                        ),
                        None,
                    ),
                )
            made = [
                Result(make_record(output, **subject, **common), output, pair, listed)
                for subject, output, pair in runs
            ]
            near = closeness_warnings([result.record for result in made])
            for result in made:
                result.record['warnings'] = [
                    *self.warnings[index],
                    *near.get(result.record['subject'], ()),
                ]
            results += made
        return results

    def _set_pipelines(self):
        """Give datasets without a pipeline that of the encoders' own training."""
        for settings, datasets in zip(self.settings, self.datasets):
            for role in ROLES:
                loader = settings[role]
                if loader['own_pipeline']:
                    continue
                views = {**settings.get('views', {}), **loader.get('views', {})}
                found = [view_pipeline(encoder.config, **views) for encoder in self.encoders]
                for encoder, pipeline in zip(self.encoders[1:], found[1:]):
                    if pipeline != found[0]:
                        raise ValueError(
                            f'{self.encoders[0].name} and {encoder.name} were trained on different '
                            'frames, so one evaluation cannot show both the same: evaluate them '
                            f'one by one, or give evaluation.{role}.dataset a pipeline'
                        )
                if loader['dataset'].get('pipeline') != found[0]:
                    loader['dataset'] = dict(loader['dataset'], pipeline=found[0])
                    datasets[role] = build_dataset(loader['dataset'])

    def _calibrate(self, encoder, batches):
        settings = self.settings[0]
        loader = gallery_batches(settings, self.datasets[0]['gallery'], self.seed)
        calibrate_batchnorm(
            encoder, loader, batches, num_blocks_of(settings['gallery']['dataset']['pipeline'])
        )

    def _check_modality(self, modalities):
        for encoder in self.encoders:
            trained = modality_of(encoder.config)['modality']
            if {trained} != set(modalities):
                text = (
                    f'{encoder.name} was trained on {trained} and is judged on '
                    f'{" and ".join(dict.fromkeys(modalities))}'
                )
                for warnings in self.warnings:
                    warnings.append(text)


def gallery_batches(settings: dict, dataset: Dataset, seed: int = 0) -> DataLoader:
    """Batches of gallery clips in a seeded random order, for calibrating BatchNorm.

    Args:
        settings: The ``evaluation`` part of a config.
        dataset: Its gallery, built.
        seed: Seed of the order.

    Returns:
        Loader that gives ``dict(inputs=[[M, C, T, H, W], …])``, without labels and without the
        videos that cannot be read (which extraction names).
    """
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed)).tolist()
    return DataLoader(
        Subset(Guarded(dataset), order),
        collate_fn=_inputs,
        batch_size=settings['gallery'].get('batch_size', 8),
        num_workers=settings['gallery'].get('num_workers', 0),
    )


def _inputs(items):
    return dict(inputs=[item['inputs'] for item in items if 'inputs' in item])


def _views(settings, clips):
    """What was seen of a video, in words."""
    texts = {role: describe_views(settings[role]['dataset']['pipeline']) for role in ROLES}
    if clips == 'each':
        texts = {
            role: text.replace('mean over views', 'every view by itself')
            for role, text in texts.items()
        }
    if texts['gallery'] == texts['query']:
        return texts['query']
    return '; '.join(f'{role}: {text}' for role, text in texts.items())


def _dump(path, results):
    """Write what each encoder's result was made from."""
    protocols = {result.record['protocol'] for result in results}
    subjects = {result.record['subject'] for result in results}
    for result in results:
        record, sets = result.record, result.sets
        parts = [record['protocol'].replace('/', '-')] * (len(protocols) > 1)
        parts += [Path(record['subject']).stem] * (len(subjects) > 1)
        file = path.with_name('_'.join([path.stem, *parts]) + (path.suffix or '.npz'))
        names = {role: [result.listed[role][name] for name in sets[role].names] for role in ROLES}
        if result.output.probabilities is not None:
            contents = ClassScores(
                names['query'],
                sets['query'].labels,
                result.output.probabilities.astype(np.float32),
                record,
            )
        else:
            contents = RetrievalFeatures(
                info=record,
                **{
                    f'{role}{key}': value
                    for role in ROLES
                    for key, value in (
                        ('', sets[role].features),
                        ('_labels', sets[role].labels),
                        ('_names', names[role]),
                        ('_counts', sets[role].counts),
                    )
                },
            )
        contents.save(file)
        print(f'{record["protocol"]} of {record["subject"]} is in {file}')
