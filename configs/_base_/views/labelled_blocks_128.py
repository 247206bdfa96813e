# For classifiers of blocks: 40 frames at stride 3 as 8 blocks of 5, at 128 x 128. Crop, flip and
# colour are drawn once per clip, colour with p = 0.3 (MemDPC section 5.3, figures of both codes).
# Tested on windows that overlap by half, ten crops of each; DPC's configs take the centre crop.
# Windows of the released tests: SampleWindow.step_frames=59 (MemDPC), DPC with 8 blocks 60 (UCF101)
# or 90 (HMDB51), with 5 blocks 30 or 45. max_windows only bounds videos of more than two minutes.
_pack = [
    dict(type='SplitBlocks', num_blocks=8),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=('img_shape', 'name', 'sample_idx')),
]
train_pipeline = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=40, stride=3, mode='random', short='loop'),
    dict(type='DecodeFrames'),
    dict(type='RandomResizedCrop', area_range=(0.5, 1.0), aspect_ratio_range=(3 / 4, 4 / 3)),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='Resize', scale=(128, 128), keep_ratio=False),
    dict(type='VideoFlip', flip_ratio=0.5),
    dict(
        type='VideoColorJitter',
        brightness=0.5,
        contrast=0.5,
        saturation=0.5,
        hue=0.25,
        p=0.3,
        consistent='clip',
    ),
    *_pack,
]
test_pipeline = [
    dict(type='VideoInit'),
    dict(
        type='SampleWindow',
        num_frames=40,
        stride=3,
        mode='sliding',
        overlap=0.5,
        max_windows=64,
        short='loop',
    ),
    dict(type='DecodeFrames'),
    dict(type='Resize', scale=(-1, 256)),
    dict(type='MultiCrop', crop_size=224, crops='five', flip=True),
    dict(type='Resize', scale=(128, 128), keep_ratio=False),
    *_pack,
]
# Between epochs: the centre of the video.
val_pipeline = [
    dict(type='SampleWindow', num_frames=40, stride=3, mode='center', short='loop')
    if step['type'] == 'SampleWindow'
    else dict(step, crops='center', flip=False)
    if step['type'] == 'MultiCrop'
    else step
    for step in test_pipeline
]
del _pack

# A dataset adds its lists, folders and class names.
train_dataloader = dict(
    batch_size=16,
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
