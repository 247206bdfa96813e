# Linear probe on cached features of Kinetics-400; its penalty is chosen on a fifth of the training
# list, never on the test list.
_base_ = ['_base_/datasets/probe_k400.py', '_base_/default_runtime.py']
evaluation = dict(protocol=dict(type='linear/cached'))
