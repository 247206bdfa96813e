# As blocks_64.py for TV-L1 flow (mmssl flow): flips that negate u, and no colour
# augmentation, which has no meaning on displacements.
_base_ = 'blocks_64.py'

train_dataloader = dict(
    dataset=dict(pipeline=dict(flip=dict(type='VideoFlip'), grey=None, jitter=None))
)
