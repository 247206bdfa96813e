# The demo videos of tools/data/make_demo_videos.py. Labels are not used.
_base_ = 'blocks_64.py'

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='VideoListDataset',
        ann_file='data/demo/train.txt',
        data_prefix=dict(video='data/demo/videos'),
        pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    # Lists are sorted by class; a batch of one class would be harder to tell apart.
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='VideoListDataset',
        ann_file='data/demo/test.txt',
        data_prefix=dict(video='data/demo/videos'),
        pipeline={{_base_.val_pipeline}},
        test_mode=True,
        on_error='skip'))
val_evaluator = dict(type='SSLMetric')
