# Linear probe on cached features of the demo videos; its penalty is chosen by cross-validation on
# the training list.
_base_ = ['_base_/datasets/probe_demo.py', '_base_/default_runtime.py']
evaluation = dict(protocol=dict(type='linear/cached', folds=5, validations=5))
