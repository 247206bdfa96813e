# Retrieval as the FGKVMemPred paper (section 4.1): mean of 10 uniform clips, of the encoder's own
# length and stride (R3D-18: 16 frames at stride 4).
_base_ = ['../_base_/protocols/cached.py', '../_base_/default_runtime.py']
evaluation = dict(
    views=dict(mode='uniform', num_windows=10), protocol=dict(type='retrieval/mean-10-clips')
)
