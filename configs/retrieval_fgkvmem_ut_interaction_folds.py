# Retrieval on UT-Interaction as FGKVMemPred, see retrieval_fgkvmem_ucf101.py; folds as in
# all_ut_interaction_folds.py.
_base_ = ['_base_/datasets/probe_ut_interaction_folds.py', '_base_/default_runtime.py']
evaluation = dict(
    views=dict(mode='uniform', num_windows=10), protocol=dict(type='retrieval/mean-10-clips')
)
