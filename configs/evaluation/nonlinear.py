# Non-linear probe (MemDPC section 5.4) on cached features: of a grid of heads the best is chosen on a
# fifth of the training list.
# Low-label study: --cfg-options subset=10percent_seed0
_base_ = ['../_base_/protocols/cached.py', '../_base_/default_runtime.py']
evaluation = dict(protocol=dict(type='mlp/cached'))
