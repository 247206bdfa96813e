# MemDPC for the demo videos: a sixteenth of the width's cost at 64 x 64, minutes on two CPU cores.
# A wide GRU and phi with gain 1: small ones hardly move the memory's addresses in the first epochs.
_base_ = [
    '../_base_/models/memdpc_r18.py',
    '../_base_/views/blocks_64.py',
    '../data/demo.py',
    '../_base_/schedules/adam_plateau.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.train)
val_dataloader = dict(dataset=_base_.data.test)
model = dict(
    backbone=dict(base_channels=16),
    neck=dict(in_channels=64, hidden_channels=256, init_gain=1.0),
    predictor=dict(in_channels=256, out_channels=64, num_slots=128, init_gain=1.0),
)
train_cfg = dict(max_epochs=20, val_interval=2)
