from .conv_gru import ConvGRU
from .projection_mlp import ProjectionMLP

__all__ = ['ConvGRU', 'ProjectionMLP']
