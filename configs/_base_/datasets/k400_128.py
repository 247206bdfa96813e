# Kinetics-400 at 128 x 128.
_base_ = 'blocks_128.py'

train_dataloader = dict(
    dataset=dict(
        ann_file='data/kinetics400/train.txt',
        data_prefix=dict(video='data/kinetics400/videos_train'),
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='data/kinetics400/val.txt', data_prefix=dict(video='data/kinetics400/videos_val')
    )
)
