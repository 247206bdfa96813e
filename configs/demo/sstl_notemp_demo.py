# sstl_demo.py without temporal augmentations, for comparison under equal budget.
_base_ = 'sstl_demo.py'

model = dict(losses=dict(rate=None))
train_dataloader = dict(
    dataset=dict(pipeline=dict(sample=dict(num_frames=8), rate=None, dropout=None))
)
