# Kinetics-400 (mmssl prepare kinetics400 SRC data/kinetics400); its validation list serves
# as the test list.
_train = dict(ann_file='data/kinetics400/train.txt')
_val = dict(ann_file='data/kinetics400/val.txt')
_flow = dict(modality='Flow', suffix='.flow.mp4')
data = dict(
    key='k400',
    name='Kinetics-400',
    classes='data/kinetics400/classes.txt',
    train=dict(_train, data_prefix=dict(video='data/kinetics400/videos_train')),
    test=dict(_val, data_prefix=dict(video='data/kinetics400/videos_val')),
    flow=dict(
        train=dict(_train, data_prefix=dict(video='data/kinetics400/flow_train'), **_flow),
        test=dict(_val, data_prefix=dict(video='data/kinetics400/flow_val'), **_flow),
    ),
)
del _train, _val, _flow
