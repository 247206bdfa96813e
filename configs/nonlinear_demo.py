# Non-linear probe (MemDPC section 5.4) on cached features of the demo videos: of a grid of heads
# the best is chosen on a fifth of the training list.
_base_ = ['_base_/datasets/probe_demo.py', '_base_/default_runtime.py']
evaluation = dict(protocol=dict(type='mlp/cached'))
