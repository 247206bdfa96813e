"""Named evaluation protocols on feature arrays, trivial baselines, and reports."""

from . import knn, linear, retrieval, ssl_metric  # noqa: F401  (registered on import)
from .confidence import wilson_interval
from .registry import ProtocolOutput, get_protocol, list_protocols, register_protocol

__all__ = ['ProtocolOutput', 'get_protocol', 'list_protocols', 'register_protocol',
           'wilson_interval']
