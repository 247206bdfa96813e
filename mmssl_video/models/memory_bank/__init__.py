"""SSTL's memory of all videos: its mathematics (bank) and where its cells lie (storage)."""

from .bank import TemporalMemoryBank
from .storage import CellTable, fingerprint_of, remove_outdated

__all__ = ['CellTable', 'TemporalMemoryBank', 'fingerprint_of', 'remove_outdated']
