# Bidirectional MemDPC on Kinetics-400 at 224 x 224 with R-34: MemDPC Table 2, RGB stream.
_base_ = [
    '_base_/models/memdpc_r18.py',
    '_base_/views/blocks_224.py',
    'data/k400.py',
    '_base_/schedules/adam_plateau.py',
    '_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.train)
val_dataloader = dict(dataset=_base_.data.test)
model = dict(backbone=dict(depth=34))
train_cfg = dict(max_epochs=200)
auto_scale_lr = dict(base_batch_size=64)
