# default_runtime.py for models with a target encoder: it follows the online one after each step.
_base_ = 'default_runtime.py'

custom_hooks = [*_base_.custom_hooks, dict(type='MomentumUpdateHook')]
