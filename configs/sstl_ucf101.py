# SSTL pre-trained on UCF101, split 1 (no row of the paper, which pre-trains on Kinetics-400); the
# learning rate always follows the batch. Keys as in sstl_k400.py.
_base_ = [
    '_base_/models/sstl_r3d18.py',
    '_base_/views/temporal_views_112.py',
    'data/ucf101.py',
    '_base_/schedules/sgd_cosine.py',
    '_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.train)
auto_scale_lr = dict(enable=True)
