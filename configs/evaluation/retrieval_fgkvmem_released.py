# Retrieval as FGKVMemPred's released code: the mean of 30 views asks, not normalised before
# averaging; one centre clip a video answers. (Its crops are random; these are not.)
_base_ = ['../_base_/protocols/cached.py', '../_base_/default_runtime.py']
evaluation = dict(
    views=dict(crop_share=0.875),
    gallery=dict(views=dict(mode='center')),
    query=dict(views=dict(mode='uniform', num_windows=10, crops='three')),
    protocol=dict(type='retrieval/multi-view-query'),
)
