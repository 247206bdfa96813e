# Temporally augmented views of Kinetics-400.
_base_ = 'temporal_views_112.py'

train_dataloader = dict(
    dataset=dict(
        ann_file='data/kinetics400/train.txt',
        data_prefix=dict(video='data/kinetics400/videos_train'),
    )
)
