from .context_classifier import ContextClassifier
from .dense_predictive_coding import DensePredictiveCoding

__all__ = ['ContextClassifier', 'DensePredictiveCoding']
