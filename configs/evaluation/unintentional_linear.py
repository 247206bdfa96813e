# Unintentional actions on Oops, linear probe: MemDPC Table 4, column 'Freeze'. Adam at 1e-3, one
# drop to 1e-4 when the validation loss stops falling (appendix B).
#   tools/train.py configs/oops_linear.py --pretrained CKPT
_base_ = [
    '_base_/models/unintentional_r18.py',
    '_base_/datasets/oops_128.py',
    '_base_/schedules/adam_plateau.py',
    '_base_/default_runtime.py',
]
train_cfg = dict(max_epochs=50)
test_cfg = dict(type='TestLoop')
param_scheduler = [dict(_base_.param_scheduler[0], monitor='oops/loss', patience=5)]
load_from = 'required'
encoder_from = 'checkpoint'
unintentional = dict(protocol='oops/linear', dataset='Oops')
