# UT-Interaction (segmented clips), sequence-disjoint split; pre-training also takes unlabelled clips.
# They are about two seconds long: stride 2, as in demo/memdpc_ut_interaction.py.
_train = dict(ann_file='data/ut_interaction/train.txt')
_labelled = dict(ann_file='data/ut_interaction/labelled.txt')
_test = dict(ann_file='data/ut_interaction/test.txt')
_videos = dict(data_prefix=dict(video='data/ut_interaction'))
_flow = dict(
    data_prefix=dict(video='data/ut_interaction/flow'), modality='Flow', suffix='.flow.mp4'
)
data = dict(
    key='ut_interaction',
    name='UT-Interaction',
    train=dict(_train, **_videos),
    labelled=dict(_labelled, **_videos),
    test=dict(_test, **_videos),
    flow=dict(
        train=dict(_train, **_flow), labelled=dict(_labelled, **_flow), test=dict(_test, **_flow)
    ),
    views=dict(stride=2),
)
del _train, _labelled, _test, _videos, _flow
