# FGKVMemPred's fine-tuning as released, not as in the paper: every batch is mixed up (0.8) or cut
# and mixed (1.0), labels are smoothed by 0.1, 32 clips, 5 epochs of warm-up, colour jitter, grey.
_base_ = 'finetune_fgkvmem.py'

model = dict(
    cls_head=dict(label_smooth_eps=0.1),
    data_preprocessor=dict(
        blending=dict(
            type='RandomBatchAugment',
            augments=[
                dict(type='MixupBlending', alpha=0.8),
                dict(type='CutmixBlending', alpha=1.0),
            ],
        )
    ),
)
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        pipeline=dict(
            jitter=dict(
                _delete_=True,
                type='VideoColorJitter',
                brightness=0.4,
                contrast=0.4,
                saturation=0.4,
                hue=0.1,
                consistent='clip',
            ),
            grey=dict(_delete_=True, type='VideoRandomGray', p=0.2, consistent='clip'),
        )
    ),
)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.05,
        begin=0,
        end=5,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=195,
        begin=5,
        end=200,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
