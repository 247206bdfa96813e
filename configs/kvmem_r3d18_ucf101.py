# KVMemPred on UCF101, 8 GPUs x 8 videos: FGKVMemPred Table 4, R3D-18, row 2.
_base_ = [
    '_base_/models/kvmem_r3d18.py',
    '_base_/views/two_views_112.py',
    'data/ucf101.py',
    '_base_/schedules/lars_cosine.py',
    '_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.train)
val_dataloader = dict(dataset=_base_.data.test)
