"""Named evaluation protocols on feature arrays, trivial baselines, and reports."""

from . import (  # noqa: F401  (registered on import)
    heads,
    knn,
    linear,
    retrieval,
    ssl_metric,
    unintentional_metric,
)
from .confidence import wilson_interval
from .registry import ProtocolOutput, get_protocol, list_protocols, register_protocol

__all__ = [
    'ProtocolOutput',
    'get_protocol',
    'list_protocols',
    'register_protocol',
    'wilson_interval',
]
