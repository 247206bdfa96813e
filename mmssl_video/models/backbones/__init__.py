from .resnet2d3d import ResNet2d3d
from .video_resnet import VideoResNet

__all__ = ['ResNet2d3d', 'VideoResNet']
