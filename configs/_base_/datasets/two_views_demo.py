# Two views of the demo videos of tools/data/make_demo_videos.py.
_base_ = 'two_views_64.py'

train_dataloader = dict(
    dataset=dict(ann_file='data/demo/train.txt', data_prefix=dict(video='data/demo/videos'))
)
val_dataloader = dict(
    dataset=dict(ann_file='data/demo/test.txt', data_prefix=dict(video='data/demo/videos'))
)
