# Retrieval on UT-Interaction as FGKVMemPred's released code, see
# retrieval_fgkvmem_released_ucf101.py; folds as in all_ut_interaction_folds.py.
_base_ = ['_base_/datasets/probe_ut_interaction_folds.py', '_base_/default_runtime.py']
evaluation = dict(
    views=dict(crop_share=0.875),
    gallery=dict(views=dict(mode='center')),
    query=dict(views=dict(mode='uniform', num_windows=10, crops='three')),
    protocol=dict(type='retrieval/multi-view-query'),
)
