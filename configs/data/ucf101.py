# UCF101 (mmssl prepare ucf101 SRC data/ucf101), split 1: mmssl splits goes through
# all three. Its test list is also the held-out set of a pretext task.
_train = dict(ann_file='data/ucf101/train_split1.txt')
_test = dict(ann_file='data/ucf101/test_split1.txt')
_videos = dict(data_prefix=dict(video='data/ucf101/videos'))
_flow = dict(data_prefix=dict(video='data/ucf101/flow'), modality='Flow', suffix='.flow.mp4')
data = dict(
    key='ucf101',
    name='UCF101',
    classes='data/ucf101/classes.txt',
    train=dict(_train, **_videos),
    test=dict(_test, **_videos),
    flow=dict(train=dict(_train, **_flow), test=dict(_test, **_flow)),
)
del _train, _test, _videos, _flow
