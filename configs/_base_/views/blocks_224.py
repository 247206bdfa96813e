# As blocks_128.py, at 224 x 224: the crop is not resized a second time.
_base_ = 'blocks_128.py'

train_pipeline = [step for step in _base_.train_pipeline if step.get('scale') != (128, 128)]
val_pipeline = [step for step in _base_.val_pipeline if step.get('scale') != (128, 128)]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
