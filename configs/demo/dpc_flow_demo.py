# DPC on the flow of the demo videos: the network and schedule of dpc_demo.py. (The DPC paper is RGB
# only.)
_base_ = [
    '../_base_/models/dpc_flow_r18.py',
    '../_base_/views/blocks_flow_64.py',
    '../data/demo.py',
    '../_base_/schedules/adam_plateau.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.flow.train)
val_dataloader = dict(dataset=_base_.data.flow.test)
model = dict(
    backbone=dict(base_channels=16),
    neck=dict(in_channels=64, hidden_channels=256),
    predictor=dict(in_channels=256, out_channels=64),
)
train_cfg = dict(max_epochs=16, val_interval=2)
