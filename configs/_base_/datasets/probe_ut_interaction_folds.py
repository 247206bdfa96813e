# Probes on UT-Interaction, fold 0 of 5 (tools/test_splits.py --splits 0 1 2 3 4 runs them all). Its
# clips are about two seconds long: stride 2, as in memdpc_ut_interaction.py.
_base_ = 'probe_demo.py'

_data = dict(data_prefix=dict(video='data/ut_interaction/videos'))
evaluation = dict(
    dataset='UT-Interaction',
    gallery=dict(dataset=dict(_data, ann_file='data/ut_interaction/folds/fold0_train.txt')),
    query=dict(dataset=dict(_data, ann_file='data/ut_interaction/folds/fold0_test.txt')),
    views=dict(stride=2),
)
del _data
