"""Top-k and mean class accuracy of a classifier, every test video counted once."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from mmaction.registry import METRICS
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ..results.protocol_output import ProtocolOutput
from .class_scores import expected_hits


@METRICS.register_module()
class ClassificationMetric(BaseMetric):
    """Gathers the probabilities of every video of a list once, and computes accuracies.

    Samplers of several processes pad their shares by repeating videos, and a dataset that skips a
    bad video gives another in its place: what counts is ``sample_idx``, so that neither changes a
    figure. After :meth:`evaluate`, every process has ``names`` (as the list has them), ``labels``
    ``[V]`` and ``probabilities`` ``[V, K]`` in the order of the list.

    Args:
        topk: The k of top-k accuracies; those that are not below the number of classes are left
            out, since nobody can miss them.
        collect_device: As for mmengine's ``BaseMetric``.
        prefix: Results are named ``<prefix>/<name>``: ``acc/top1``, ``acc/mean_class``, and
            ``acc/loss``, the mean of -log p of the right class.
    """

    default_prefix = 'acc'

    def __init__(
        self, topk: Sequence[int] = (1, 5), collect_device: str = 'cpu', prefix: str | None = None
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.topk = tuple(topk)
        self.names: list[str] = []
        self.labels = np.zeros(0, dtype=np.int64)
        self.probabilities = np.zeros((0, 0), dtype=np.float32)

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Take the predictions of one batch.

        Raises:
            KeyError: A sample does not say which video it is, or carries no prediction.
            ValueError: Its scores are no probabilities.
        """
        for sample in data_samples:
            for key, cure in (
                ('pred_score', 'the model must be a classifier'),
                ('gt_label', 'the list must have labels'),
                ('sample_idx', _PACK),
                ('name', _PACK),
            ):
                if key not in sample:
                    raise KeyError(f'ClassificationMetric finds no {key} in a prediction: {cure}')
            scores = sample['pred_score'].float().cpu().numpy()
            if scores.ndim != 1 or abs(scores.sum() - 1) > 1e-3 or scores.min() < 0:
                raise ValueError(
                    'ClassificationMetric needs one probability per class: set '
                    "model.cls_head.average_clips='prob'"
                )
            self.results.append(
                dict(
                    index=int(sample['sample_idx']),
                    name=str(sample['name']),
                    label=int(sample['gt_label']),
                    scores=scores,
                )
            )

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather all processes' results and compute the metrics, the same in every process.

        Args:
            size: Videos of the list. Where fewer have a prediction, a warning says so.

        Raises:
            RuntimeError: No video has one.
        """
        items = {item['index']: item for part in all_gather_object(self.results) for item in part}
        self.results.clear()
        if not items:
            raise RuntimeError('no video of the list has a prediction: there is nothing to measure')
        if len(items) < size:
            print_log(
                f'{size - len(items)} of the {size} videos could not be read: accuracies are '
                f'those of the other {len(items)}',
                'current',
                logging.WARNING,
            )
        return {
            f'{self.prefix}/{name}': value
            for name, value in self.compute_metrics([items[i] for i in sorted(items)]).items()
        }

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Accuracies from 0 to 1, and the loss; keeps what they were made of."""
        self.names = [item['name'] for item in results]
        self.labels = np.array([item['label'] for item in results], dtype=np.int64)
        self.probabilities = np.stack([item['scores'] for item in results])
        num_classes = self.probabilities.shape[1]
        if self.labels.min() < 0 or self.labels.max() >= num_classes:
            raise ValueError(
                f'the list has labels from {self.labels.min()} to '
                f'{self.labels.max()} but the model tells {num_classes} classes '
                'apart: test it on a list of the classes it was trained on'
            )
        hits = {
            k: expected_hits(self.probabilities, self.labels, k)
            for k in self.topk
            if k == 1 or k < num_classes
        }
        top1 = expected_hits(self.probabilities, self.labels, 1)
        classes = np.unique(self.labels)
        right = self.probabilities[np.arange(len(self.labels)), self.labels]
        return {
            **{f'top{k}': float(value.mean()) for k, value in hits.items()},
            'mean_class': float(np.mean([top1[self.labels == c].mean() for c in classes])),
            'loss': float(-np.log(np.maximum(right, 1e-12)).mean()),
        }

    def output(self) -> ProtocolOutput:
        """The last evaluation as a protocol's output: percent, chance, probabilities."""
        metrics = self.compute_metrics(
            [
                dict(name=name, label=label, scores=scores)
                for name, label, scores in zip(self.names, self.labels, self.probabilities)
            ]
        )
        loss = metrics.pop('loss')
        num_classes = self.probabilities.shape[1]
        chance = {
            name: 100 * (int(name[3:]) if name.startswith('top') else 1) / num_classes
            for name in metrics
        }
        return ProtocolOutput(
            {name: 100 * value for name, value in metrics.items()},
            chance,
            dict(loss=loss),
            self.probabilities,
        )


_PACK = "let the pipeline end with PackActionInputs(meta_keys=('name', 'sample_idx'))"
