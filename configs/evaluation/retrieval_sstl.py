# Retrieval as SSTL (section 4.4): 10 clips a video of 16 consecutive frames; every test clip is
# searched for among all training clips.
# The paper's "last full-connected layer", for its checkpoints:
#   --cfg-options evaluation.feature=projection
_base_ = ['../_base_/protocols/cached.py', '../_base_/default_runtime.py']
evaluation = dict(
    views=dict(num_frames=16, stride=1, mode='uniform', num_windows=10),
    protocol=dict(type='retrieval/clip-search'),
)
