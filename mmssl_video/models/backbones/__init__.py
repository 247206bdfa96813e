from .resnet2d3d import ResNet2d3d

__all__ = ['ResNet2d3d']
