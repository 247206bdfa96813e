# FGKVMemPred, fine-tuned on the demo videos.
#   python tools/train.py configs/finetune_fgkvmem_demo.py --pretrained CKPT
_base_ = [
    '_base_/models/clip_classifier.py',
    '_base_/datasets/demo_labelled_fgkvmem.py',
    '_base_/schedules/finetune_fgkvmem.py',
    '_base_/default_runtime.py',
]
# Without a checkpoint: a network of a sixteenth of the cost.
model = dict(backbone=dict(base_channels=16))
train_cfg = dict(max_epochs=12, val_interval=2)
# 8 clips instead of 64
optim_wrapper = dict(optimizer=dict(lr=0.025))
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=12, by_epoch=True, convert_to_iter_based=True)
]
classification = dict(protocol='finetune', dataset='demo videos')
load_from = 'required'
