# Linear probe on cached features of Kinetics-400: the convex problem, and a grid of SGD heads
# (learning rate x weight decay) in one pass. Penalty and head are chosen on a fifth of the training
# list, never on the test list.
_base_ = ['_base_/datasets/probe_k400.py', '_base_/default_runtime.py']
evaluation = dict(protocol=[dict(type='linear/cached'), dict(type='linear/cached-grid')])
