"""Learning rate schedules that mmengine lacks."""

from .warmup_cosine import WarmupCosineLR

__all__ = ['WarmupCosineLR']
