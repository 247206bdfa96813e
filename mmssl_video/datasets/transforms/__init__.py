from .blocks import PerClip, SplitBlocks  # noqa: F401
from .color import VideoColorJitter, VideoRandomGray  # noqa: F401
from .sampling import SampleWindow  # noqa: F401
from .video_io import DecodeFrames, VideoInit  # noqa: F401
