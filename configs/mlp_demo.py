# Non-linear probe (MemDPC section 5.4) on cached features of the demo videos, and linear heads
# trained the same way; of each grid the best is chosen on a fifth of the training list.
_base_ = ['_base_/datasets/probe_demo.py', '_base_/default_runtime.py']
evaluation = dict(protocol=[dict(type='mlp/cached'), dict(type='linear/cached-grid')])
