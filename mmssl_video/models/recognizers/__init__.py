from .byol import BYOL
from .clip_classifier import ClipClassifier
from .context_classifier import ContextClassifier
from .dense_predictive_coding import DensePredictiveCoding
from .self_supervised import MemoryView, SampleNeeds, SelfSupervisedRecognizer, TrainingRun
from .sstl import SSTL
from .unintentional_action import UnintentionalActionClassifier

__all__ = [
    'BYOL',
    'ClipClassifier',
    'ContextClassifier',
    'DensePredictiveCoding',
    'MemoryView',
    'SSTL',
    'SampleNeeds',
    'SelfSupervisedRecognizer',
    'TrainingRun',
    'UnintentionalActionClassifier',
]
