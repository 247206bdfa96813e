"""Terms of a method's loss: registered modules of one shape, exchangeable by config."""

from .clip_contrast import ClipContrastLoss
from .clip_to_video import ClipToVideoLoss
from .concept_alignment import ConceptAlignmentLoss
from .concept_reconstruction import ConceptReconstructionLoss
from .cosine_prediction import CosinePredictionLoss
from .dense_info_nce import DenseInfoNCELoss
from .playback_rate import PlaybackRateLoss
from .weighted import WeightedLoss

__all__ = [
    'ClipContrastLoss',
    'ClipToVideoLoss',
    'ConceptAlignmentLoss',
    'ConceptReconstructionLoss',
    'CosinePredictionLoss',
    'DenseInfoNCELoss',
    'PlaybackRateLoss',
    'WeightedLoss',
]
