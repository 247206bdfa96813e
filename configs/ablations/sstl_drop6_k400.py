# SSTL with crop and dropout of 6 from 16 + 16 frames at the true rate: Table 4, row 5.
_base_ = 'sstl_drop4_k400.py'

train_dataloader = dict(
    dataset=dict(pipeline=dict(sample=dict(num_frames=32), dropout=dict(num_dropped=6)))
)
