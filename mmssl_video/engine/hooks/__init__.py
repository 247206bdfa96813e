"""Hooks for mmengine's Runner."""

from .amp_gradients import AmpGradientCheckHook
from .bad_samples import BadSampleHook
from .checkpoint import AtomicCheckpointHook
from .data_time import DataTimeHook
from .encoder_weights import EncoderWeightsHook
from .method import MethodHook
from .prediction_steps import PredictionStepsHook
from .sample_seed import SampleSeedHook
from .sync_norm_stats import SyncNormStatsHook
from .training_health import TrainingHealthHook

__all__ = [
    'AmpGradientCheckHook',
    'AtomicCheckpointHook',
    'BadSampleHook',
    'DataTimeHook',
    'EncoderWeightsHook',
    'MethodHook',
    'PredictionStepsHook',
    'SampleSeedHook',
    'SyncNormStatsHook',
    'TrainingHealthHook',
]
