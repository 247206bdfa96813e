# SSTL, fine-tuned on the demo videos.
#   python tools/train.py configs/finetune_sstl_demo.py --pretrained CKPT
_base_ = [
    '_base_/models/sstl_classifier.py',
    '_base_/datasets/demo_labelled_sstl.py',
    '_base_/schedules/finetune_sstl.py',
    '_base_/default_runtime.py',
]
# Without a checkpoint: a network of a sixteenth of the cost.
model = dict(backbone=dict(base_channels=16))
train_cfg = dict(max_epochs=12, val_interval=2)
param_scheduler = [dict(type='MultiStepLR', milestones=[5, 8, 10], gamma=0.15, by_epoch=True)]
classification = dict(protocol='finetune', dataset='demo videos')
load_from = 'required'
