"""Videos: list files, decoding, sampling and augmentation."""

from . import transforms  # noqa: F401
from .errors import (  # noqa: F401
    BadVideoError,
    ShortVideoError,
    TooManyBadVideosError,
)
from .oops import OopsDataset  # noqa: F401
from .video_folder import scan_video_folder, write_lists  # noqa: F401
from .video_list import VideoListDataset  # noqa: F401
from .views import View, view_of  # noqa: F401
