# The demo videos (mmssl demo-videos data/demo).
_train, _test = dict(ann_file='data/demo/train.txt'), dict(ann_file='data/demo/test.txt')
_videos = dict(data_prefix=dict(video='data/demo/videos'))
_flow = dict(data_prefix=dict(video='data/demo/flow'), modality='Flow', suffix='.flow.mp4')
data = dict(
    key='demo',
    name='demo videos',
    classes='data/demo/classes.txt',
    train=dict(_train, **_videos),
    test=dict(_test, **_videos),
    flow=dict(train=dict(_train, **_flow), test=dict(_test, **_flow)),
)
del _train, _test, _videos, _flow
