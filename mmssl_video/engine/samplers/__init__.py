"""How videos are dealt to batches and processes."""

from .whole_batches import WholeBatchSampler

__all__ = ['WholeBatchSampler']
