# UT-Interaction, fold 0 of 5 (mmssl splits --splits 0 1 2 3 4 runs them all). Its clips are
# about two seconds long: stride 2, as in demo/memdpc_ut_interaction.py.
_train = dict(ann_file='data/ut_interaction/folds/fold0_train.txt')
_test = dict(ann_file='data/ut_interaction/folds/fold0_test.txt')
_videos = dict(data_prefix=dict(video='data/ut_interaction/videos'))
_flow = dict(
    data_prefix=dict(video='data/ut_interaction/flow/videos'), modality='Flow', suffix='.flow.mp4'
)
data = dict(
    key='ut_interaction_folds',
    name='UT-Interaction',
    classes='data/ut_interaction/classes.txt',
    train=dict(_train, **_videos),
    test=dict(_test, **_videos),
    flow=dict(train=dict(_train, **_flow), test=dict(_test, **_flow)),
    views=dict(stride=2),
)
del _train, _test, _videos, _flow
