# FGKVMemPred on Kinetics-400 with Slow-R18 8x8 at 224 x 224, 8 GPUs x 32 videos: Table 1.
_base_ = [
    '_base_/models/fgkvmem_r3d18.py',
    '_base_/views/two_views_224.py',
    'data/k400.py',
    '_base_/schedules/lars_cosine.py',
    '_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=32, dataset=_base_.data.train)
val_dataloader = dict(dataset=_base_.data.test)
model = dict(backbone=dict(kind='slow', last_stage='standard'))
train_cfg = dict(max_epochs=100, val_interval=10)
optim_wrapper = dict(optimizer=dict(lr=2.4))
auto_scale_lr = dict(base_batch_size=256)
