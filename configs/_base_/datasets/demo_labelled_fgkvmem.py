# The demo videos of tools/data/make_demo_videos.py with their classes, at 64 x 64.
_base_ = 'labelled_fgkvmem_112.py'

train_pipeline, val_pipeline, test_pipeline = (
    [
        dict(step, scale_range=(72, 90))
        if 'scale_range' in step
        else dict(step, scale=(-1, 72))
        if 'scale' in step
        else dict(step, crop_size=72)
        if 'crop_size' in step
        else dict(step, size=64)
        if 'size' in step
        else step
        for step in pipeline
    ]
    for pipeline in (_base_.train_pipeline, _base_.val_pipeline, _base_.test_pipeline)
)

_data = dict(data_prefix=dict(video='data/demo/videos'), classes='data/demo/classes.txt')
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(ann_file='data/demo/train.txt', pipeline=train_pipeline, **_data),
)
val_dataloader = dict(
    num_workers=1, dataset=dict(ann_file='data/demo/test.txt', pipeline=val_pipeline, **_data)
)
test_dataloader = dict(
    num_workers=1, dataset=dict(ann_file='data/demo/test.txt', pipeline=test_pipeline, **_data)
)
del _data
