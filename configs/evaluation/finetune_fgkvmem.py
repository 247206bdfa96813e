# FGKVMemPred, fine-tuned on UCF101 or HMDB51: FGKVMemPred Table 1 (R3D-18, 16 x 112 x 112).
#   mmssl train finetune_fgkvmem --data ucf101 --pretrained CKPT
_base_ = [
    '../_base_/models/clip_classifier.py',
    '../_base_/views/labelled_fgkvmem_112.py',
    '../_base_/schedules/finetune_fgkvmem.py',
    '../_base_/default_runtime.py',
]
classification = dict(protocol='finetune')
load_from = 'required'

# Without a checkpoint: a network of a sixteenth of the cost; 8 clips instead of 64.
per_data = dict(
    demo=dict(
        model=dict(backbone=dict(base_channels=16)),
        train_cfg=dict(max_epochs=12, val_interval=2),
        optim_wrapper=dict(optimizer=dict(lr=0.025)),
        param_scheduler=[
            dict(type='CosineAnnealingLR', T_max=12, by_epoch=True, convert_to_iter_based=True)
        ],
    )
)
