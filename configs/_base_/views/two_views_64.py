# As two_views_112.py, with 8 frames at stride 3 at 64 x 64 for small videos and two CPU cores, and
# the colours of the released code: see fgkvmem_released_r3d18_ucf101.py.
_base_ = 'two_views_112.py'

_crop, _resize, _flip = _base_.train_pipeline[3]['transforms']
_clip = [
    dict(_crop, area_range=(0.3, 1.0)),
    dict(_resize, scale=(64, 64)),
    _flip,
    dict(
        type='VideoColorJitter',
        brightness=0.6,
        contrast=0.6,
        saturation=0.6,
        hue=0.15,
        p=0.8,
        consistent='clip',
    ),
    dict(type='VideoRandomGray', p=0.2, consistent='clip'),
]
train_pipeline = [
    dict(step, num_frames=8, stride=3)
    if step['type'] == 'SampleWindow'
    else dict(step, transforms=_clip)
    if step['type'] == 'PerClip'
    else step
    for step in _base_.train_pipeline
]
val_pipeline = [
    dict(step, num_frames=8, stride=3)
    if step['type'] == 'SampleWindow'
    else dict(step, scale=(-1, 72))
    if step['type'] == 'Resize'
    else dict(step, crop_size=64)
    if step['type'] == 'CenterCrop'
    else step
    for step in _base_.val_pipeline
]
del _crop, _resize, _flip, _clip
train_dataloader = dict(batch_size=16, num_workers=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=16, num_workers=1, dataset=dict(pipeline=val_pipeline))
