# As blocks_128.py, at 224 x 224: the crop is not resized a second time.
_base_ = 'blocks_128.py'

train_dataloader = dict(dataset=dict(pipeline=dict(shrink=None)))
val_dataloader = dict(dataset=dict(pipeline=dict(shrink=None)))
