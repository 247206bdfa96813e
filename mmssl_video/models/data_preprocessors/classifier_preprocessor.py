"""Normalisation and batch blending of a classifier, with a fault of a released test as option."""

from __future__ import annotations

import copy

from mmaction.models.data_preprocessors import ActionDataPreprocessor
from mmaction.registry import MODELS


@MODELS.register_module()
class ClassifierPreprocessor(ActionDataPreprocessor):
    """mmaction2's preprocessor for clips, and a switch for MemDPC's released test.

    Args:
        normalize_test: False gives the network frames in [0, 1], not normalised, outside training.
            MemDPC's released test does so, although its classifiers were trained on normalised
            frames; right for nothing but repeating its figures.
        blending: Config of a batch augmentation, e.g. mmaction2's ``RandomBatchAugment`` of
            ``MixupBlending`` and ``CutmixBlending``.
        format_shape: Shape of the inputs.
        **kwargs: As for mmaction2's ``ActionDataPreprocessor``: ``mean``, ``std``, ….
    """

    def __init__(
        self,
        normalize_test: bool = True,
        blending: dict | None = None,
        format_shape: str = 'NCTHW',
        **kwargs,
    ) -> None:
        # mmaction2's RandomBatchAugment changes the lists in its config
        super().__init__(blending=copy.deepcopy(blending), format_shape=format_shape, **kwargs)
        self.normalize_test = normalize_test

    def preprocess(self, inputs: list, data_samples: list | None, training: bool = False) -> tuple:
        """Stack and normalise clips; arguments and returns as in mmaction2.

        Raises:
            ValueError: Clips of different shapes (mmaction2 would pad them with zeros).
        """
        shapes = sorted({tuple(clip.shape) for clip in inputs})
        if len(shapes) > 1:
            raise ValueError(
                f'the videos of a batch have different shapes {shapes}: let the '
                'pipeline give all the same number of windows and one size'
            )
        batch, data_samples = super().preprocess(inputs, data_samples, training)
        if not training and not self.normalize_test and self._enable_normalize:
            batch = (batch * self.std + self.mean) / 255
        return batch, data_samples
