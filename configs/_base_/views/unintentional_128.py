# Oops at 128 x 128: windows of 8 blocks labelled by the failure time. Training oversamples windows
# with the failure in them; testing moves the window by half its length, 4 blocks of 15 frames.
_base_ = 'blocks_128.py'

_window = dict(type='SampleFailureWindow', num_frames=40, stride=3, num_blocks=8, short='pad')
_pack = [
    dict(type='LabelSteps'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(
        type='PackActionInputs',
        meta_keys=(
            'name',
            'sample_idx',
            'total_frames',
            'avg_fps',
            'step_starts',
            'step_frames',
            'failure_frame',
        ),
    ),
]
train_pipeline = [
    dict(_window, mode='random', failure_probability=0.8)
    if step['type'] == 'SampleWindow'
    else step
    for step in _base_.train_pipeline[:-2]
] + _pack
val_pipeline = [
    dict(_window, mode='sliding', step_frames=60) if step['type'] == 'SampleWindow' else step
    for step in _base_.val_pipeline[:-2]
] + _pack
del _window, _pack

_train, _val = (
    dict(
        type='OopsDataset',
        ann_file=f'data/oops/{name}.txt',
        data_prefix=dict(video='data/oops/videos'),
        pipeline=pipeline,
    )
    for name, pipeline in (('train', train_pipeline), ('val', val_pipeline))
)
train_dataloader = dict(batch_size=32, dataset=_train)
val_dataloader = dict(batch_size=4, sampler=dict(shuffle=False), dataset=_val)
val_evaluator = dict(type='UnintentionalActionMetric')
test_dataloader = dict(
    batch_size=4,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(_val, test_mode=True),
)
test_evaluator = val_evaluator
del _train, _val
