# Demo videos whose motion breaks, with the time of it:
#   mmssl demo-videos data/demo_failures --failures --frames 240
_data = dict(type='OopsDataset', data_prefix=dict(video='data/demo_failures/videos'))
data = dict(
    key='oops_demo',
    name='demo videos with failures',
    train=dict(_data, ann_file='data/demo_failures/train.txt'),
    test=dict(_data, ann_file='data/demo_failures/test.txt'),
)
del _data
