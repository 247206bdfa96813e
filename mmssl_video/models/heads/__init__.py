from .compressive_memory import CompressiveMemory
from .concept_dictionaries import ConceptDictionaries
from .context_head import ContextHead
from .key_value_memory import KeyValueMemory
from .mlp_predictor import MLPPredictor
from .playback_rate import PlaybackRateHead
from .predictor import Predictor

__all__ = [
    'CompressiveMemory',
    'ConceptDictionaries',
    'ContextHead',
    'KeyValueMemory',
    'MLPPredictor',
    'PlaybackRateHead',
    'Predictor',
]
