# Linear probe and retrieval on UT-Interaction, sequence-disjoint split; three windows a clip.
_base_ = 'linear_demo.py'

_data = dict(data_prefix=dict(video='data/ut_interaction'))
evaluation = dict(
    dataset='UT-Interaction',
    gallery=dict(dataset=dict(_data, ann_file='data/ut_interaction/labelled.txt')),
    query=dict(dataset=dict(_data, ann_file='data/ut_interaction/test.txt')),
    views=dict(stride=2, mode='uniform', num_windows=3),
    protocol=[
        dict(type='linear/cached', folds=5, validations=5),
        dict(type='retrieval/context-mean-cosine', ks=(1, 5)),
    ],
)
del _data
