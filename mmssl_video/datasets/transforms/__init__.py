from .blocks import PerClip, SplitBlocks
from .color import VideoColorJitter, VideoGaussianBlur, VideoRandomGray
from .crops import MultiCrop
from .flip import VideoFlip
from .flow_input import FlowFolder, FlowVideo, open_flow
from .sampling import SampleWindow
from .temporal import (
    PlaybackRateDistortion,
    RepeatClips,
    TemporalRandomCrop,
    TemporalRandomDropout,
)
from .time_sampling import SampleTimedWindow
from .unintentional import LabelUnintentionalSteps, SampleUnintentionalWindow
from .video_io import DecodeFrames, VideoInit
