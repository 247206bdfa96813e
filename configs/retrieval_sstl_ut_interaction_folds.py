# Retrieval on UT-Interaction as SSTL, see retrieval_sstl_ucf101.py; folds as in
# all_ut_interaction_folds.py.
_base_ = ['_base_/datasets/probe_ut_interaction_folds.py', '_base_/default_runtime.py']
evaluation = dict(
    views=dict(num_frames=16, stride=1, mode='uniform', num_windows=10),
    protocol=dict(type='retrieval/clip-search'),
)
