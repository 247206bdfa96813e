# As linear_ucf101.py, for encoders of optical flow.
_base_ = ['_base_/datasets/probe_ucf101_flow.py', '_base_/default_runtime.py']
evaluation = dict(protocol=[dict(type='linear/cached'), dict(type='linear/cached-grid')])
