# SSTL, fine-tuned on UCF101 or HMDB51: SSTL Table 1.
#   mmssl train finetune_sstl --data ucf101 --pretrained CKPT
_base_ = [
    '../_base_/models/sstl_classifier.py',
    '../_base_/views/labelled_sstl_112.py',
    '../_base_/schedules/finetune_sstl.py',
    '../_base_/default_runtime.py',
]
classification = dict(protocol='finetune')
load_from = 'required'

# Without a checkpoint: a network of a sixteenth of the cost.
per_data = dict(
    demo=dict(
        model=dict(backbone=dict(base_channels=16)),
        train_cfg=dict(max_epochs=12, val_interval=2),
        param_scheduler=[
            dict(type='MultiStepLR', milestones=[5, 8, 10], gamma=0.15, by_epoch=True)
        ],
    )
)
