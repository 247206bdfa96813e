from .conv_gru import ConvGRU

__all__ = ['ConvGRU']
