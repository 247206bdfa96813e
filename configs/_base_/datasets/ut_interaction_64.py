# UT-Interaction clips (segmented version), 64 x 64. Labels are not used; clips of about two seconds
# are wrapped round to the 79 frames of a window.
_base_ = 'blocks_64.py'

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='VideoListDataset',
        ann_file='data/ut_interaction/train.txt',
        data_prefix=dict(video='data/ut_interaction'),
        pipeline=[dict(step, stride=2) if step['type'] == 'SampleWindow' else step
                  for step in _base_.train_pipeline]))
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    # Lists are sorted by class; a batch of one class would be harder to tell apart.
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='VideoListDataset',
        ann_file='data/ut_interaction/test.txt',
        data_prefix=dict(video='data/ut_interaction'),
        pipeline=[dict(step, stride=2) if step['type'] == 'SampleWindow' else step
                  for step in _base_.val_pipeline],
        test_mode=True,
        on_error='skip'))
val_evaluator = dict(type='SSLMetric')
