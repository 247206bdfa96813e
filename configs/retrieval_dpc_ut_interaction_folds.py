# Retrieval on UT-Interaction as DPC, see retrieval_dpc_ucf101.py; folds as in
# all_ut_interaction_folds.py.
_base_ = ['_base_/datasets/probe_ut_interaction_folds.py', '_base_/default_runtime.py']
evaluation = dict(views=dict(mode='center'), protocol=dict(type='retrieval/block-cosine'))
