# SSTL's classifier (section 4.2): R3D-18 with a max-pool after the first convolution; the paper
# says nothing of dropout, mean and std.
_base_ = 'clip_classifier.py'

model = dict(
    backbone=dict(last_stage='standard', stem_pool=True),
    cls_head=dict(dropout=0.0),
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
)
