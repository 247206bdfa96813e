# Bidirectional MemDPC (R-18, 1024 slots) on the UT-Interaction clips at 64 x 64: a small real set.
_base_ = [
    '../_base_/models/memdpc_r18.py',
    '../_base_/views/blocks_64.py',
    '../data/ut_interaction.py',
    '../_base_/schedules/adam_plateau.py',
    '../_base_/default_runtime.py',
]
# clips of about two seconds are wrapped round to the 79 frames of a window
_stride = dict(sample=dict(stride=2))
train_dataloader = dict(dataset=dict(_base_.data.train, pipeline=_stride))
val_dataloader = dict(dataset=dict(_base_.data.test, pipeline=_stride))
del _stride
train_cfg = dict(max_epochs=36, val_interval=6)
