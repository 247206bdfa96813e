# Two clips of 16 frames at stride 4 from random times of a video, at 112 x 112 (FGKVMemPred 3.1 and
# 4.1). Each clip has its own crop and flip, the same for all its frames. Starts at least so many
# frames apart: --cfg-options train_dataloader.dataset.pipeline.1.min_gap=32
train_pipeline = [
    dict(type='VideoInit'),
    dict(
        type='SampleWindow',
        num_frames=16,
        stride=4,
        mode='random',
        num_windows=2,
        min_gap=0,
        short='loop',
    ),
    dict(type='DecodeFrames'),
    dict(
        type='PerClip',
        transforms=[
            dict(
                type='RandomResizedCrop', area_range=(0.2, 0.766), aspect_ratio_range=(3 / 4, 4 / 3)
            ),
            dict(type='Resize', scale=(112, 112), keep_ratio=False),
            dict(type='VideoFlip', flip_ratio=0.5),
        ],
    ),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
val_pipeline = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=16, stride=4, mode='uniform', num_windows=2, short='loop'),
    dict(type='DecodeFrames'),
    dict(type='Resize', scale=(-1, 128)),
    dict(type='CenterCrop', crop_size=112),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]

# A dataset adds its lists and folders.
train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='VideoListDataset', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='VideoListDataset', pipeline=val_pipeline, test_mode=True, on_error='skip'),
)
val_evaluator = dict(type='SSLMetric')
