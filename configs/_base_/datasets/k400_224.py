# Kinetics-400 at 224 x 224.
_base_ = 'blocks_224.py'

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
