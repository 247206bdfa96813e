# SSTL with the temporal crop alone, of 16 + 8 frames: Table 4, row 3.
_base_ = 'sstl_notemp_k400.py'

train_dataloader = dict(dataset=dict(pipeline=dict(sample=dict(num_frames=24))))
