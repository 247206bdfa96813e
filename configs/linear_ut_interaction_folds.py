# As linear_ut_interaction.py, fold 0 of 5; all of them:
#   python tools/test_splits.py configs/linear_ut_interaction_folds.py CKPT --splits 0 1 2 3 4
_base_ = 'linear_ut_interaction.py'

_data = dict(data_prefix=dict(video='data/ut_interaction/videos'))
evaluation = dict(
    gallery=dict(dataset=dict(_data, ann_file='data/ut_interaction/folds/fold0_train.txt')),
    query=dict(dataset=dict(_data, ann_file='data/ut_interaction/folds/fold0_test.txt')),
)
del _data
