from .compressive_memory import CompressiveMemory
from .context_head import ContextHead
from .mlp_predictor import MLPPredictor
from .predictor import Predictor

__all__ = ['CompressiveMemory', 'ContextHead', 'MLPPredictor', 'Predictor']
