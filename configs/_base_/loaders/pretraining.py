# Pre-training, with self-supervised figures on held-out videos.
_base_ = 'training.py'

val_dataloader = dict(
    num_workers=8,
    persistent_workers=True,
    # Lists are sorted by class; a batch of one class would be harder to tell apart.
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='VideoListDataset', test_mode=True, on_error='skip'),
)
val_evaluator = dict(type='SSLMetric')
