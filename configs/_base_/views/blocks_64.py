# As blocks_128.py, at 64 x 64 for small videos (cropped and resized once) and two CPU cores.
_base_ = 'blocks_128.py'

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(pipeline=dict(resize=dict(scale=(64, 64)), shrink=None)),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(pipeline=dict(resize=dict(scale=(-1, 72)), crop=dict(crop_size=64), shrink=None)),
)
