# MemDPC at 224 x 224 (with an R-34 in the checkpoint), fine-tuned on UCF101: MemDPC Table 2.
_base_ = 'finetune_memdpc_ucf101.py'

train_pipeline, val_pipeline, test_pipeline = (
    [step for step in pipeline if step.get('scale') != (128, 128)]
    for pipeline in (_base_.train_pipeline, _base_.val_pipeline, _base_.test_pipeline)
)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
