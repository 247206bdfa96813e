# Temporally augmented views of the demo videos, for two CPU cores: 8 + 6 frames at stride 3 (of
# which up to 3 and 2 are dropped), at 64 x 64. Weaker in space, so that a few hundred steps learn.
_base_ = 'temporal_views_112.py'

_crop, _resize, _flip, _colors, _gray, _ = _base_.train_pipeline[7]['transforms']
_change = dict(
    SampleWindow=dict(num_frames=14, stride=3),
    PlaybackRateDistortion=dict(max_dropped=3),
    TemporalRandomDropout=dict(num_dropped=2),
    TemporalRandomCrop=dict(num_frames=8),
    PerClip=dict(
        transforms=[
            dict(_crop, area_range=(0.5, 1.0)),
            dict(_resize, scale=(64, 64)),
            _flip,
            dict(_colors, brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05),
            dict(_gray, p=0.1),
        ]
    ),
)
train_pipeline = [
    dict(step, **_change[step['type']]) if step['type'] in _change else step
    for step in _base_.train_pipeline
]
del _crop, _resize, _flip, _colors, _gray, _, _change
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(
        pipeline=train_pipeline,
        ann_file='data/demo/train.txt',
        data_prefix=dict(video='data/demo/videos'),
    ),
)
