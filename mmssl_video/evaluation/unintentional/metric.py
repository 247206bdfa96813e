"""Accuracy of telling intentional, transitioning and unintentional moments apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmaction.registry import METRICS

from ...datasets.transforms.unintentional import STEP_CLASSES, LabelUnintentionalSteps, label_spans
from ...results.protocol_output import ProtocolOutput
from ..class_scores import expected_hits
from ..classification_metric import ClassificationMetric
from .timeline import (
    THRESHOLDS,
    average_on_timeline,
    localisation_name,
    peak_hit,
    random_hit,
    unit_times,
)


@METRICS.register_module()
class UnintentionalActionMetric(ClassificationMetric):
    """Averages the steps of all moving windows on the timeline of a video, then counts.

    A video is cut into units of one block's length, labelled as blocks are
    (:class:`LabelUnintentionalSteps`). A unit's scores are the mean over the steps of all windows
    that cover it; units that no step covers (the first of a video has no past to be predicted from)
    are left out and counted. Results are shares from 0 to 1 over the units of all videos:
    ``top1``, the ``mean_class`` accuracy,
    each class by its name, and ``loss`` (cross entropy, for a schedule that waits for a plateau).

    Besides, the middle of the unit with the highest score of *transitioning* is taken for the
    failure, as Oops localises it: ``within_1s`` and ``within_0.25s`` are shares of videos.

    Every video counts once, however many processes there are. After an evaluation ``names``,
    ``labels`` ``[U]`` and ``probabilities`` ``[U, 3]`` are those of all units.

    Args:
        collect_device: As for mmengine's ``BaseMetric``.
        prefix: Results are named ``<prefix>/<name>``.
    """

    default_prefix = 'oops'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__((1,), collect_device, prefix)
        self.videos: list[dict] = []

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Take one batch of videos.

        Raises:
            KeyError: Samples lack what the metric needs.
        """
        for sample in data_samples:
            missing = {'step_scores', *LabelUnintentionalSteps.META_KEYS} - set(sample)
            if missing:
                raise KeyError(
                    f'UnintentionalActionMetric finds no {", ".join(sorted(missing))} in a '
                    'prediction: it needs an UnintentionalActionClassifier, and a pipeline that '
                    f'ends with LabelUnintentionalSteps and PackActionInputs(meta_keys='
                    f'{LabelUnintentionalSteps.META_KEYS})'
                )
            scores = sample['step_scores'].float().cpu().numpy()
            starts = np.asarray(sample['step_starts']).reshape(len(scores), -1)[:, 1:]
            length, total = sample['step_frames'], sample['total_frames']
            scores, weights = average_on_timeline(
                starts.reshape(-1), length, scores.reshape(-1, scores.shape[-1]), total
            )
            self.results.append(
                dict(
                    index=int(sample['sample_idx']),
                    name=sample['name'],
                    known=weights > 0,
                    scores=scores.astype(np.float32),
                    times=unit_times(total, length, sample['avg_fps']),
                    labels=label_spans(
                        np.arange(len(scores)) * length, length, sample['failure_frame']
                    ),
                    duration=total / sample['avg_fps'],
                    failure=sample['failure_frame'] / sample['avg_fps'],
                )
            )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Shares from 0 to 1, and the loss; keeps what they were made of."""
        self.videos = results
        self.names = [
            f'{video["name"]} {time:.2f} s'
            for video in results
            for time in video['times'][video['known']]
        ]
        self.labels, self.probabilities = (
            np.concatenate([video[key][video['known']] for video in results])
            for key in ('labels', 'scores')
        )
        if not len(self.labels):
            raise RuntimeError('no video is longer than one block: there is nothing to measure')
        hits = expected_hits(self.probabilities, self.labels, 1)
        accuracy = {
            name: float(hits[self.labels == label].mean())
            for label, name in enumerate(STEP_CLASSES)
            if (self.labels == label).any()
        }
        right = self.probabilities[np.arange(len(self.labels)), self.labels]
        return {
            'top1': float(hits.mean()),
            'mean_class': float(np.mean(list(accuracy.values()))),
            **accuracy,
            **self._localisation(),
            'loss': float(-np.log(np.maximum(right, 1e-12)).mean()),
        }

    def output(self) -> ProtocolOutput:
        """The last evaluation as a protocol's output: percent, chance, and what it counts."""
        metrics = self.compute_metrics(self.videos)
        loss = metrics.pop('loss')
        counts = np.bincount(self.labels, minlength=len(STEP_CLASSES))
        # Units of a video are not independent: what an interval counts is the videos that have one.
        label_sets = [set(video['labels'][video['known']]) for video in self.videos]
        queries = dict.fromkeys(('top1', 'mean_class'), sum(map(bool, label_sets)))
        queries.update(
            (name, sum(label in labels for labels in label_sets))
            for label, name in enumerate(STEP_CLASSES)
        )
        chance = {name: 100 / len(STEP_CLASSES) for name in metrics}
        for within in THRESHOLDS:
            chance[localisation_name(within)] = 100 * float(
                np.mean(
                    [
                        random_hit(video['duration'], video['failure'], within)
                        for video in self.videos
                    ]
                )
            )
            queries[localisation_name(within)] = len(self.videos)
        majority = {
            name: 100.0 * (label == counts.argmax())
            for label, name in enumerate(STEP_CLASSES)
            if counts[label]
        }
        return ProtocolOutput(
            {name: 100 * value for name, value in metrics.items()},
            chance,
            dict(
                loss=loss,
                queries=queries,
                num_units=dict(zip(STEP_CLASSES, counts.tolist())),
                uncovered_units=int(sum((~video['known']).sum() for video in self.videos)),
                majority_class=dict(
                    top1=100 * float(counts.max() / counts.sum()),
                    mean_class=float(np.mean(list(majority.values()))),
                    **majority,
                ),
            ),
            self.probabilities,
        )

    def _localisation(self):
        hits: dict[float, list[float]] = {within: [] for within in THRESHOLDS}
        for video in self.videos:
            known = video['known']
            for within, figures in hits.items():  # a video of less than a block is not found
                figures.append(
                    peak_hit(
                        video['times'][known], video['scores'][known, 1], video['failure'], within
                    )
                    if known.any()
                    else 0.0
                )
        return {
            localisation_name(within): float(np.mean(figures)) for within, figures in hits.items()
        }
