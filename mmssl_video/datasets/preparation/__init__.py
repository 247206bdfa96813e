"""Turning a downloaded dataset into videos, list files and a report (``mmssl prepare``)."""

from .prepare import prepare
from .subsets import make_subsets
