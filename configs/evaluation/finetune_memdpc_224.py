# MemDPC at 224 x 224 (with an R-34 in the checkpoint), fine-tuned on UCF101 or HMDB51: MemDPC
# Table 2.
_base_ = 'finetune_memdpc.py'

train_dataloader = dict(dataset=dict(pipeline=dict(shrink=None)))
val_dataloader = dict(dataset=dict(pipeline=dict(shrink=None)))
test_dataloader = dict(dataset=dict(pipeline=dict(shrink=None)))
