# SSTL for the demo videos: narrow, 8 frames at 64 x 64, minutes on two CPU cores. Adam, since in a
# few hundred steps of 16 clips SGD hardly moves the weights.
_base_ = [
    '../_base_/models/sstl_r3d18.py',
    '../_base_/views/temporal_views_64.py',
    '../data/demo.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.train)
model = dict(
    backbone=dict(base_channels=16),
    projector=dict(in_channels=128, hidden_channels=128, out_channels=128),
    bank=dict(dim=128),
    rate_head=dict(in_features=128 * 1 * 2 * 2, hidden_channels=128),
    losses=dict(clip=dict(num_negatives=128)),
)
train_cfg = dict(max_epochs=30)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='Adam', lr=3e-3, weight_decay=1e-6))
auto_scale_lr = dict(base_batch_size=16)
