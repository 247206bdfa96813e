# DPC on Kinetics-400 at 224 x 224 with R-34: DPC Table 4, last row.
_base_ = [
    '_base_/models/dpc_r18.py',
    '_base_/views/blocks_224.py',
    'data/k400.py',
    '_base_/schedules/adam_plateau.py',
    '_base_/default_runtime.py',
]
model = dict(backbone=dict(depth=34))
# Random grey with p = 0.5 as in DPC's released code (MemDPC: 0.25); no paper gives a figure.
train_dataloader = dict(
    dataset=dict(_base_.data.train, pipeline=dict(grey=dict(p=0.5))),
)
val_dataloader = dict(dataset=_base_.data.test)
auto_scale_lr = dict(base_batch_size=64)
