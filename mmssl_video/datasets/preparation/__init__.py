"""Turning a downloaded dataset into videos, list files and a report (``tools/data/prepare.py``)."""

from .prepare import prepare
from .subsets import make_subsets
