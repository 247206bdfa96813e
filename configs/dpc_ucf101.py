# DPC on UCF101: DPC Table 1, row 'DPC' (R-18, 5pred3).
_base_ = [
    '_base_/models/dpc_r18.py',
    '_base_/views/blocks_128.py',
    'data/ucf101.py',
    '_base_/schedules/adam_plateau.py',
    '_base_/default_runtime.py',
]
# Random grey with p = 0.5 as in DPC's released code (MemDPC: 0.25); no paper gives a figure.
train_dataloader = dict(
    batch_size=64,
    dataset=dict(_base_.data.train, pipeline=dict(grey=dict(p=0.5))),
)
val_dataloader = dict(batch_size=64, dataset=_base_.data.test)
# 4 GPUs x 64 clips
auto_scale_lr = dict(base_batch_size=256)
