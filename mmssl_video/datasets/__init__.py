"""Videos: list files, decoding, sampling and augmentation."""

from . import transforms
from .errors import (
    BadVideoError,
    ShortVideoError,
    TooManyBadVideosError,
)
from .oops import OopsDataset
from .video_folder import scan_video_folder, write_lists
from .video_list import VideoListDataset
from .views import View, view_of
