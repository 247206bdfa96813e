# For classifiers of clips: 16 frames at stride 4, short side 128 to 160, crop of 112 (FGKVMemPred
# section 4.1). Tested on 10 clips x 3 crops; the released test draws its crops at random.
_pack = [
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=('img_shape', 'name', 'sample_idx')),
]
train_pipeline = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=16, stride=4, mode='random', short='loop'),
    dict(type='DecodeFrames'),
    dict(type='RandomRescale', scale_range=(128, 160)),
    dict(type='RandomCrop', size=112),
    dict(type='VideoFlip', flip_ratio=0.5),
    *_pack,
]
test_pipeline = [
    dict(type='VideoInit'),
    dict(
        type='SampleWindow', num_frames=16, stride=4, mode='uniform', num_windows=10, short='loop'
    ),
    dict(type='DecodeFrames'),
    dict(type='Resize', scale=(-1, 128)),
    dict(type='MultiCrop', crop_size=128, crops='three'),
    *_pack,
]
# Between epochs: the centre of the video.
val_pipeline = [
    dict(type='SampleWindow', num_frames=16, stride=4, mode='center', short='loop')
    if step['type'] == 'SampleWindow'
    else dict(step, crops='center')
    if step['type'] == 'MultiCrop'
    else step
    for step in test_pipeline
]
del _pack

# A dataset adds its lists, folders and class names.
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='VideoListDataset', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='VideoListDataset', pipeline=val_pipeline, test_mode=True, on_error='skip'),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    # A bad video is left out of the figures and named in the record.
    dataset=dict(type='VideoListDataset', pipeline=test_pipeline, test_mode=True, on_error='skip'),
)
val_evaluator = dict(type='ClassificationMetric')
test_evaluator = dict(type='ClassificationMetric')
