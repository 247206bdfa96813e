# FGKVMemPred for the demo videos: narrow, at 64 x 64, minutes on two CPU cores.
_base_ = [
    '../_base_/models/fgkvmem_r3d18.py',
    '../_base_/views/two_views_64.py',
    '../data/demo.py',
    '../_base_/schedules/lars_cosine.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.train)
val_dataloader = dict(dataset=_base_.data.test)
model = dict(
    backbone=dict(base_channels=16, stem_pool=True),
    projector=dict(in_channels=128, hidden_channels=512, out_channels=128),
    predictor=dict(in_channels=128, out_channels=128, num_slots=256, scale=16.0),
    concepts=dict(in_channels=128, feature_channels=128, num_concepts=256),
    base_momentum=0.98,
)
train_cfg = dict(max_epochs=20, val_interval=5)
