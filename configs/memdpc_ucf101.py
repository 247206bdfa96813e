# Bidirectional MemDPC on UCF101, RGB: MemDPC Table 1, row E1.
# Other sizes of the memory: --cfg-options model.predictor.num_slots=512 (or 2048)
_base_ = [
    '_base_/models/memdpc_r18.py',
    '_base_/views/blocks_128.py',
    'data/ucf101.py',
    '_base_/schedules/adam_plateau.py',
    '_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.train)
val_dataloader = dict(dataset=_base_.data.test)
train_cfg = dict(max_epochs=500)
auto_scale_lr = dict(base_batch_size=64)
