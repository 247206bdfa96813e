"""Hooks, optimizers, schedules and wrappers for mmengine's Runner."""

from . import hooks, model_wrappers, optim_wrappers, optimizers, samplers, schedulers
