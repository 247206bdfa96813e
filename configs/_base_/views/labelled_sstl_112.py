# For SSTL's classifier (section 4.2): 16 consecutive frames, short side 112, random crop of 112
# (and flips, as section 3.1 has them). Tested on 5 clips at equal distances, centre crop.
_base_ = 'labelled_fgkvmem_112.py'

train_pipeline = [
    dict(step, stride=1)
    if step['type'] == 'SampleWindow'
    else dict(type='Resize', scale=(-1, 112))
    if step['type'] == 'RandomRescale'
    else step
    for step in _base_.train_pipeline
]
test_pipeline = [
    dict(step, stride=1, num_windows=5)
    if step['type'] == 'SampleWindow'
    else dict(step, scale=(-1, 112))
    if step['type'] == 'Resize'
    else dict(step, crop_size=112, crops='center')
    if step['type'] == 'MultiCrop'
    else step
    for step in _base_.test_pipeline
]
val_pipeline = [
    dict(type='SampleWindow', num_frames=16, stride=1, mode='center', short='loop')
    if step['type'] == 'SampleWindow'
    else step
    for step in test_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
