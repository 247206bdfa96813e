"""What a person imports: an encoder from a checkpoint, features of any videos, a probe."""

import mmssl_video  # noqa: F401  (its work-rounds must run before the first mmaction import)

from .encoder import Encoder, build_encoder, calibrate_batchnorm
from .features import FeatureSet, extract_features
from .probe import run_evaluation

__all__ = [
    'Encoder',
    'FeatureSet',
    'build_encoder',
    'calibrate_batchnorm',
    'extract_features',
    'run_evaluation',
]
