# DPC Table 1, row 'remove Map': parallel prediction of one pooled vector a block.
_base_ = 'dpc_parallel_ucf101.py'

model = dict(feature_map=False)
