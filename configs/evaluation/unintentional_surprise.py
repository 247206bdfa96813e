# Surprise on the validation videos of Oops, training-free: discrepancy of predicted and true
# feature over time, and how often its peak is at the failure (MemDPC section 4; Oops' measure).
#   tools/test.py configs/oops_surprise.py CKPT    (a checkpoint of DPC or MemDPC pre-training)
_base_ = '_base_/default_runtime.py'

surprise = dict(
    dataset='Oops',
    num_workers=8,
    videos=dict(
        type='OopsDataset', ann_file='data/oops/val.txt', data_prefix=dict(video='data/oops/videos')
    ),
)
