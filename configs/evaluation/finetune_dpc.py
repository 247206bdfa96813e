# DPC, fine-tuned: DPC Table 4 on UCF101 and HMDB51 (R-18; Tables 1 to 3 on UCF101).
#   mmssl train finetune_dpc --data ucf101 --pretrained CKPT
_base_ = [
    '../_base_/models/context_classifier.py',
    '../_base_/views/labelled_blocks_128.py',
    '../_base_/schedules/finetune_dpc.py',
    '../_base_/default_runtime.py',
]
# Blocks of a clip: 5 in the paper; 8 in the released code (--cfg-options num_blocks=8).
num_blocks = 5
train_dataloader = dict(batch_size=64)
# The centre crop alone is tested (section 4).
test_dataloader = dict(dataset=dict(pipeline=dict(crop=dict(crops='center', flip=False))))
classification = dict(protocol='finetune')
load_from = 'required'

per_data = dict(
    # Epochs of the released code; those of UCF101 stand in the schedule.
    hmdb51=dict(
        train_cfg=dict(max_epochs=300),
        param_scheduler=[dict(type='MultiStepLR', milestones=[150, 250], gamma=0.1, by_epoch=True)],
    ),
    # Without a checkpoint: the narrow network of dpc_demo.py.
    demo=dict(
        model=dict(backbone=dict(base_channels=16), neck=dict(in_channels=64, hidden_channels=256)),
        train_cfg=dict(max_epochs=12, val_interval=2),
        param_scheduler=[dict(type='MultiStepLR', milestones=[8, 10], gamma=0.1, by_epoch=True)],
    ),
)
