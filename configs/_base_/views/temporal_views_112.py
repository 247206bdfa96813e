# One clip of 16 + e consecutive frames (e = 12), augmented twice in time and space: two views of 16
# frames at 112 x 112 (SSTL sections 3.1, 4.2). Crop, flip and colours are one draw for a view.
_pack = [
    dict(type='FormatShape', input_format='NCTHW'),
    dict(
        type='PackActionInputs',
        meta_keys=('img_shape', 'sample_idx', 'temporal_position', 'playback_rate'),
    ),
]
train_pipeline = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=28, stride=1, mode='random', short='loop'),
    dict(type='RepeatClips', times=2),
    dict(type='PlaybackRateDistortion', max_rate=1.25, max_dropped=8),
    dict(type='TemporalRandomDropout', num_dropped=4),
    dict(type='TemporalRandomCrop', num_frames=16),
    dict(type='DecodeFrames'),
    dict(
        type='PerClip',
        transforms=[
            dict(
                type='RandomResizedCrop', area_range=(0.2, 1.0), aspect_ratio_range=(3 / 4, 4 / 3)
            ),
            dict(type='Resize', scale=(112, 112), keep_ratio=False),
            dict(type='VideoFlip', flip_ratio=0.5),
            dict(
                type='VideoColorJitter',
                brightness=0.4,
                contrast=0.4,
                saturation=0.4,
                hue=0.1,
                p=0.8,
                consistent='clip',
            ),
            dict(type='VideoRandomGray', p=0.2, consistent='clip'),
            dict(type='VideoGaussianBlur', sigma=(0.1, 2.0), p=0.5, consistent='clip'),
        ],
    ),
    *_pack,
]
del _pack

# A dataset adds its lists and folders.
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='VideoListDataset', pipeline=train_pipeline),
)
