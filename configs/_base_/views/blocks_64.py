# As blocks_128.py, at 64 x 64 for small videos (cropped and resized once) and two CPU cores.
_base_ = 'blocks_128.py'

_size = {(224, 224): (64, 64), (-1, 256): (-1, 72)}
train_pipeline = [
    dict(step, scale=_size[step['scale']]) if step.get('scale') in _size else step
    for step in _base_.train_pipeline
    if step.get('scale') != (128, 128)
]
val_pipeline = [
    dict(step, scale=_size[step['scale']])
    if step.get('scale') in _size
    else dict(step, crop_size=64)
    if 'crop_size' in step
    else step
    for step in _base_.val_pipeline
    if step.get('scale') != (128, 128)
]
del _size
train_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(pipeline=val_pipeline))
