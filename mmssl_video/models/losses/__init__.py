from .dense_info_nce import DenseInfoNCELoss
from .sstl import clip_to_clip_loss, clip_to_video_loss, playback_rate_loss

__all__ = ['DenseInfoNCELoss', 'clip_to_clip_loss', 'clip_to_video_loss', 'playback_rate_loss']
