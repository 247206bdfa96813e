"""Hooks for mmengine's Runner."""

from .accumulated_steps import AccumulatedStepsHook
from .amp_gradients import AmpGradientCheckHook
from .bad_samples import BadSampleHook
from .checkpoint import AtomicCheckpointHook
from .data_time import DataTimeHook
from .encoder_weights import EncoderWeightsHook
from .method import MethodHook
from .prediction_steps import PredictionStepsHook
from .resumed_optimizer import ResumedOptimizerHook
from .sample_seed import SampleSeedHook
from .sync_norm_stats import SyncNormStatsHook
from .training_health import TrainingHealthHook

__all__ = [
    'AccumulatedStepsHook',
    'AmpGradientCheckHook',
    'AtomicCheckpointHook',
    'BadSampleHook',
    'DataTimeHook',
    'EncoderWeightsHook',
    'MethodHook',
    'PredictionStepsHook',
    'ResumedOptimizerHook',
    'SampleSeedHook',
    'SyncNormStatsHook',
    'TrainingHealthHook',
]
