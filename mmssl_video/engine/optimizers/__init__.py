"""Optimizers that torch lacks."""

from .lars import LARS

__all__ = ['LARS']
