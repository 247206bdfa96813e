# SSTL with crop and dropout of 4 from 16 + 12 frames at the true rate: Table 4, row 4.
_base_ = '../sstl_k400.py'

model = dict(losses=dict(rate=None))
train_dataloader = dict(dataset=dict(pipeline=dict(rate=None)))
