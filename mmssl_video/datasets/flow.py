"""Old path of :mod:`mmssl_video.datasets.flow_extraction`, until its last import is renamed."""

from .flow_extraction import FlowReport, extract_flow, find_videos  # noqa: F401
