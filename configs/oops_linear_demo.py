# Linear probe for failures on demo videos whose motion breaks, after memdpc_demo.py or dpc_demo.py.
#   tools/data/make_demo_videos.py data/demo_failures --failures --frames 240
#   tools/train.py configs/oops_linear_demo.py --pretrained CKPT
_base_ = [
    '_base_/models/unintentional_r18.py',
    '_base_/datasets/oops_demo_64.py',
    '_base_/schedules/adam_plateau.py',
    '_base_/default_runtime.py',
]
model = dict(
    backbone=dict(base_channels=16),
    neck=dict(in_channels=64, hidden_channels=256, init_gain=1.0),
    predictor=dict(in_channels=256, out_channels=64, num_slots=128, init_gain=1.0),
)
train_cfg = dict(max_epochs=10)
test_cfg = dict(type='TestLoop')
param_scheduler = [dict(_base_.param_scheduler[0], monitor='oops/loss', patience=3)]
load_from = 'required'
encoder_from = 'checkpoint'
unintentional = dict(protocol='oops/linear', dataset='demo videos with failures')
