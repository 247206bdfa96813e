"""Hooks, optimizer wrappers and model wrappers for mmengine's Runner."""

from . import hooks, model_wrappers, optim_wrappers
