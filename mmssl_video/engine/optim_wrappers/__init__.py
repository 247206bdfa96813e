from .cpu_amp import CPUAmpOptimWrapper
from .trainable import TrainableParamsConstructor

__all__ = ['CPUAmpOptimWrapper', 'TrainableParamsConstructor']
