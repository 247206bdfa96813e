from .blocks import PerClip, SplitBlocks  # noqa: F401
from .color import VideoColorJitter, VideoGaussianBlur, VideoRandomGray  # noqa: F401
from .crops import MultiCrop  # noqa: F401
from .flip import VideoFlip  # noqa: F401
from .flow_input import FlowFolder, FlowVideo, open_flow  # noqa: F401
from .sampling import SampleWindow  # noqa: F401
from .temporal import (  # noqa: F401
    PlaybackRateDistortion,
    RepeatClips,
    TemporalRandomCrop,
    TemporalRandomDropout,
)
from .time_sampling import SampleTimedWindow  # noqa: F401
from .unintentional import LabelUnintentionalSteps, SampleUnintentionalWindow  # noqa: F401
from .video_io import DecodeFrames, VideoInit  # noqa: F401
