# Mixed methods: BYOL's clips, predictor and momentum encoder with SSTL's clip contrast instead of the
# cosine alone, on the demo videos.
_base_ = [
    '../_base_/models/byol_r3d18.py',
    '../_base_/views/two_views_64.py',
    '../data/demo.py',
    '../_base_/schedules/adam_plateau.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.train)
val_dataloader = dict(dataset=_base_.data.test)
model = dict(
    backbone=dict(base_channels=16, stem_pool=True),
    projector=dict(in_channels=128, hidden_channels=512, out_channels=128),
    predictor=dict(in_channels=128, hidden_channels=512, out_channels=128),
    losses=dict(prediction=dict(_delete_=True, type='ClipContrastLoss', temperature=0.1)),
    base_momentum=0.98,
)
train_cfg = dict(max_epochs=20, val_interval=5)
