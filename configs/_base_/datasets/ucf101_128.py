# UCF101, split 1; its test list is the held-out set of the pretext task. Labels are not used.
_base_ = 'blocks_128.py'

train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='VideoListDataset',
        ann_file='data/ucf101/train_split1.txt',
        data_prefix=dict(video='data/ucf101/videos'),
        pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    # Lists are sorted by class; a batch of one class would be harder to tell apart.
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='VideoListDataset',
        ann_file='data/ucf101/test_split1.txt',
        data_prefix=dict(video='data/ucf101/videos'),
        pipeline={{_base_.val_pipeline}},
        test_mode=True,
        on_error='skip'))
val_evaluator = dict(type='SSLMetric')
