# One clip of 16 + e consecutive frames (e = 12), augmented twice in time and space: two views of 16
# frames at 112 x 112 (SSTL sections 3.1, 4.2). Crop, flip and colours are one draw for a view.
# A data set (configs/data) adds its lists and folders.
_base_ = '../loaders/training.py'

train_dataloader = dict(
    batch_size=64,
    dataset=dict(
        pipeline=dict(
            init=dict(type='VideoInit'),
            sample=dict(type='SampleWindow', num_frames=28, stride=1, mode='random', short='loop'),
            repeat=dict(type='RepeatClips', times=2),
            rate=dict(type='PlaybackRateDistortion', max_rate=1.25, max_dropped=8),
            dropout=dict(type='TemporalRandomDropout', num_dropped=4),
            time_crop=dict(type='TemporalRandomCrop', num_frames=16),
            decode=dict(type='DecodeFrames'),
            views=dict(
                type='PerClip',
                transforms=dict(
                    crop=dict(
                        type='RandomResizedCrop',
                        area_range=(0.2, 1.0),
                        aspect_ratio_range=(3 / 4, 4 / 3),
                    ),
                    resize=dict(type='Resize', scale=(112, 112), keep_ratio=False),
                    flip=dict(type='VideoFlip', flip_ratio=0.5),
                    jitter=dict(
                        type='VideoColorJitter',
                        brightness=0.4,
                        contrast=0.4,
                        saturation=0.4,
                        hue=0.1,
                        p=0.8,
                        consistent='clip',
                    ),
                    grey=dict(type='VideoRandomGray', p=0.2, consistent='clip'),
                    blur=dict(type='VideoGaussianBlur', sigma=(0.1, 2.0), p=0.5, consistent='clip'),
                ),
            ),
            format=dict(type='FormatShape', input_format='NCTHW'),
            pack=dict(
                type='PackActionInputs',
                meta_keys=('img_shape', 'sample_idx', 'temporal_position', 'playback_rate'),
            ),
        ),
    ),
)
