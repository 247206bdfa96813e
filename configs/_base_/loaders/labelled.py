# Classifiers, with accuracies between epochs and on the test list.
_base_ = 'training.py'

val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='VideoListDataset', test_mode=True, on_error='skip'),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    # A bad video is left out of the figures and named in the record.
    dataset=dict(type='VideoListDataset', test_mode=True, on_error='skip'),
)
val_evaluator = dict(type='ClassificationMetric')
test_evaluator = dict(type='ClassificationMetric')
