"""Named evaluation protocols on feature arrays, and trivial baselines."""

from ..results.confidence import wilson_interval
from ..results.protocol_output import ProtocolOutput
from . import knn, linear, probe_grid, retrieval, ssl_metric  # registered on import
from .registry import get_protocol, list_protocols, register_protocol
from .unintentional import metric  # registered on import

__all__ = [
    'ProtocolOutput',
    'get_protocol',
    'list_protocols',
    'register_protocol',
    'wilson_interval',
]
