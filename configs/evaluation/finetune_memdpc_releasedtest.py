# As finetune_memdpc_ucf101.py, tested as the released code does, only to repeat its figures: test
# frames are not normalised and colours jitter at random; windows advance by 59 frames.
#   python tools/test.py configs/finetune_memdpc_releasedtest_ucf101.py CKPT
_base_ = 'finetune_memdpc_ucf101.py'

model = dict(data_preprocessor=dict(normalize_test=False))
_jitter = dict(
    type='VideoColorJitter',
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    hue=0.1,
    p=0.3,
    consistent='clip',
)
_steps = [
    dict(step, step_frames=59) if step['type'] == 'SampleWindow' else step
    for step in _base_.test_pipeline
]
# blocks are split in the third step from the end
test_dataloader = dict(dataset=dict(pipeline=[*_steps[:-3], _jitter, *_steps[-3:]]))
del _jitter, _steps
