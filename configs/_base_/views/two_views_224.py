# As two_views_112.py, with 8 frames at stride 8 at 224 x 224: Slow-R18 (FGKVMemPred section 4.2).
_base_ = 'two_views_112.py'

_crop, _resize, _flip = _base_.train_pipeline[3]['transforms']
train_pipeline = [
    dict(step, num_frames=8, stride=8)
    if step['type'] == 'SampleWindow'
    else dict(step, transforms=[_crop, dict(_resize, scale=(224, 224)), _flip])
    if step['type'] == 'PerClip'
    else step
    for step in _base_.train_pipeline
]
val_pipeline = [
    dict(step, num_frames=8, stride=8)
    if step['type'] == 'SampleWindow'
    else dict(step, scale=(-1, 256))
    if step['type'] == 'Resize'
    else dict(step, crop_size=224)
    if step['type'] == 'CenterCrop'
    else step
    for step in _base_.val_pipeline
]
del _crop, _resize, _flip
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
