# Kinetics-400 at 224 x 224. Labels are not used.
_base_ = 'blocks_224.py'

train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='VideoListDataset',
        ann_file='data/kinetics400/train.txt',
        data_prefix=dict(video='data/kinetics400/videos_train'),
        pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    # Lists are sorted by class; a batch of one class would be harder to tell apart.
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='VideoListDataset',
        ann_file='data/kinetics400/val.txt',
        data_prefix=dict(video='data/kinetics400/videos_val'),
        pipeline={{_base_.val_pipeline}},
        test_mode=True,
        on_error='skip'))
val_evaluator = dict(type='SSLMetric')
