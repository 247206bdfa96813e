# HMDB51 (mmssl prepare hmdb51 SRC data/hmdb51), split 1: mmssl splits goes through
# all three. Its test list is also the held-out set of a pretext task.
_train = dict(ann_file='data/hmdb51/train_split1.txt')
_test = dict(ann_file='data/hmdb51/test_split1.txt')
_videos = dict(data_prefix=dict(video='data/hmdb51/videos'))
_flow = dict(data_prefix=dict(video='data/hmdb51/flow'), modality='Flow', suffix='.flow.mp4')
data = dict(
    key='hmdb51',
    name='HMDB51',
    classes='data/hmdb51/classes.txt',
    train=dict(_train, **_videos),
    test=dict(_test, **_videos),
    flow=dict(train=dict(_train, **_flow), test=dict(_test, **_flow)),
)
del _train, _test, _videos, _flow
