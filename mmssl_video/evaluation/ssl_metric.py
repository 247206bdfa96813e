"""Self-supervised loss and accuracies on held-out videos."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from mmaction.registry import METRICS
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric


@METRICS.register_module()
class SSLMetric(BaseMetric):
    """Averages the ``ssl_stats`` that a recognizer's ``predict`` attaches to each sample.

    Args:
        collect_device: Where results of several processes are gathered, ``'cpu'`` or ``'gpu'``.
        prefix: Results are named ``<prefix>/<name>``, for example ``ssl/loss`` and ``ssl/top1``.
    """

    default_prefix = 'ssl'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Take the statistics of one batch.

        Raises:
            KeyError: The samples carry none.
        """
        for sample in data_samples:
            if 'ssl_stats' not in sample:
                raise KeyError(
                    'SSLMetric needs a recognizer whose predict() attaches ssl_stats; '
                    'classifiers are judged by AccMetric'
                )
            self.results.append({key: float(value) for key, value in sample['ssl_stats'].items()})

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather the results of all processes, each once, and average them.

        Args:
            size: Videos of the list.

        Raises:
            RuntimeError: No video has a result.
        """
        # the processes may have different numbers of results; of those that a sampler repeats until
        # all have as many, the last ones are copies
        rows = itertools.zip_longest(*all_gather_object(self.results))
        results = [each for row in rows for each in row if each is not None][:size]
        self.results.clear()
        if not results:
            raise RuntimeError('no video of the list gave a figure: there is nothing to measure')
        return {
            f'{self.prefix}/{name}': value for name, value in self.compute_metrics(results).items()
        }

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Mean of each statistic over the samples that have it."""
        names = list(dict.fromkeys(name for stats in results for name in stats))
        means = {}
        for name in names:
            values = [stats[name] for stats in results if name in stats]
            means[name] = math.fsum(values) / len(values)
        return means
