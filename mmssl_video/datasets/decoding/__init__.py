"""Exact frames of video files by number.

``index.py`` looks at a file's packets, ``source.py`` reads frames; ``key_frames.py`` knows codecs,
``completeness.py`` containers, ``container.py`` PyAV.
"""

from mmssl_video.datasets.decoding.index import VideoProbe, probe_video
from mmssl_video.datasets.decoding.source import VideoSource
