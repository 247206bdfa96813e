# Unintentional actions on Oops, linear probe: MemDPC Table 4, column 'Freeze'. Adam at 1e-3, one
# drop to 1e-4 when the validation loss stops falling (appendix B).
#   mmssl train unintentional_linear --data oops --pretrained CKPT
_base_ = [
    '../_base_/models/unintentional_r18.py',
    '../_base_/views/unintentional_128.py',
    '../_base_/schedules/adam_plateau.py',
    '../_base_/default_runtime.py',
]
train_cfg = dict(max_epochs=50)
test_cfg = dict(type='TestLoop')
param_scheduler = [dict(_base_.param_scheduler[0], monitor='oops/loss', patience=5)]
load_from = 'required'
encoder_from = 'checkpoint'
unintentional = dict(protocol='oops/linear')

# After memdpc_demo.py or dpc_demo.py.
per_data = dict(
    oops_demo=dict(
        model=dict(
            backbone=dict(base_channels=16),
            neck=dict(in_channels=64, hidden_channels=256, init_gain=1.0),
            predictor=dict(in_channels=256, out_channels=64, num_slots=128, init_gain=1.0),
        ),
        train_cfg=dict(max_epochs=10),
        param_scheduler=[dict(_base_.param_scheduler[0], monitor='oops/loss', patience=3)],
    )
)
