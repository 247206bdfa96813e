# Mixed methods: dense predictive coding with BYOL's loss instead of a contrast, on the demo videos.
# Nothing pushes features apart, so the targets are a momentum encoder's and the predictor has BYOL's
# batch norm. With model.target=online clips soon look alike: clip_std in the log falls to a tenth,
# while feature_std, the spread over places and blocks, does not tell (docs/results.md).
_base_ = [
    '../_base_/models/dpc_r18.py',
    '../_base_/views/blocks_64.py',
    '../data/demo.py',
    '../_base_/schedules/adam_plateau.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.train)
val_dataloader = dict(dataset=_base_.data.test)
model = dict(
    backbone=dict(base_channels=16),
    neck=dict(in_channels=64, hidden_channels=256),
    predictor=dict(in_channels=256, out_channels=64, batch_norm=True),
    losses=dict(prediction=dict(_delete_=True, type='CosinePredictionLoss')),
    target='momentum',
    base_momentum=0.98,
)
train_cfg = dict(max_epochs=16, val_interval=2)
