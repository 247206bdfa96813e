"""What a person calls from Python: train, test, encoders, features, evaluations and pictures."""

import mmssl_video  # its work-rounds must run before the first mmaction import

from ..results.summary import summarize
from ..settings.load import load_config
from .calibration import calibrate_batchnorm
from .clip_similarity import analyse_similarity
from .encoder import Encoder, build_encoder
from .evaluation import run_evaluation
from .features import FeatureSet, extract_features
from .fusion import run_fusion
from .loop import run_loop
from .memory_pictures import picture_memory
from .quickstart import run_quickstart
from .splits import evaluate_splits, train_splits, with_split
from .testing import test
from .training import train
from .unintentional_surprise import run_surprise

__all__ = [
    'Encoder',
    'FeatureSet',
    'analyse_similarity',
    'build_encoder',
    'calibrate_batchnorm',
    'evaluate_splits',
    'extract_features',
    'load_config',
    'picture_memory',
    'run_evaluation',
    'run_fusion',
    'run_loop',
    'run_quickstart',
    'run_surprise',
    'summarize',
    'test',
    'train',
    'train_splits',
    'with_split',
]
