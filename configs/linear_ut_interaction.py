# Linear probe and retrieval on UT-Interaction, sequence-disjoint split; three windows a clip.
_base_ = 'linear_demo.py'

_data = dict(dataset=dict(data_prefix=dict(video='data/ut_interaction'), pipeline=[
    dict(step, stride=2, mode='uniform', num_windows=3) if step['type'] == 'SampleWindow' else step
    for step in _base_.evaluation.gallery.dataset.pipeline]))
evaluation = dict(
    dataset='UT-Interaction',
    gallery=dict(_data, dataset=dict(_data['dataset'], ann_file='data/ut_interaction/labelled.txt')),
    query=dict(_data, dataset=dict(_data['dataset'], ann_file='data/ut_interaction/test.txt')),
    protocol=[
        dict(type='linear/cached', folds=5, validations=5),
        dict(type='retrieval/context-mean-cosine', ks=(1, 5)),
    ])
del _data
