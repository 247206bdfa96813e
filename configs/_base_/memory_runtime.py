# default_runtime.py for models with a temporal memory bank: it learns after each optimizer step and
# is saved with the checkpoints.
_base_ = 'default_runtime.py'

custom_hooks = [*_base_.custom_hooks, dict(type='MemoryBankHook')]
