# Bidirectional MemDPC on UCF101, TV-L1 flow: MemDPC Table 1, row E2 (with memdpc_ucf101.py: E3).
_base_ = [
    '_base_/models/memdpc_flow_r18.py',
    '_base_/views/blocks_flow_128.py',
    'data/ucf101.py',
    '_base_/schedules/adam_plateau.py',
    '_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.flow.train)
val_dataloader = dict(dataset=_base_.data.flow.test)
train_cfg = dict(max_epochs=500)
auto_scale_lr = dict(base_batch_size=64)
