# SSTL without temporal augmentations: Table 4, row 2; "w/o temp" of Figure 1, Tables 2 and 3; row 1
# (no colour jitter) with
#   --cfg-options train_dataloader.dataset.pipeline.views.transforms.jitter=None
_base_ = '../sstl_k400.py'

model = dict(losses=dict(rate=None))
train_dataloader = dict(
    dataset=dict(pipeline=dict(sample=dict(num_frames=16), rate=None, dropout=None))
)
