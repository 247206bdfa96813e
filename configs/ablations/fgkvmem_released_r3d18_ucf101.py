# fgkvmem_r3d18_ucf101.py with all that the released code does otherwise than the paper; clips are
# sampled as if every video had 30 frames a second (SampleTimedWindow in SampleWindow's place).
_base_ = '../fgkvmem_r3d18_ucf101.py'

model = dict(
    backbone=dict(last_stage='released', norm_cfg=dict(type='BN')),
    predictor=dict(scale=16.0),
    concepts=dict(centre_update='forward'),
    losses=dict(
        prediction=dict(weight=2.0),
        reconstruction=dict(weight=0.1, distance='cosine', average='elements'),
    ),
)
train_dataloader = dict(
    dataset=dict(
        pipeline=dict(
            sample=dict(
                _delete_=True, type='SampleTimedWindow', num_frames=16, stride=4, num_windows=2
            ),
            views=dict(
                transforms=dict(
                    jitter=dict(
                        _delete_=True,
                        type='VideoColorJitter',
                        brightness=0.6,
                        contrast=0.6,
                        saturation=0.6,
                        hue=0.15,
                        p=0.8,
                        consistent='clip',
                    ),
                    grey=dict(_delete_=True, type='VideoRandomGray', p=0.2, consistent='clip'),
                    blur=dict(
                        _delete_=True,
                        type='VideoGaussianBlur',
                        sigma=(0.1, 2.0),
                        p=0.5,
                        consistent='clip',
                    ),
                )
            ),
        )
    )
)
optim_wrapper = dict(optimizer=dict(nesterov=True, weight_decay=1e-6))
param_scheduler = [
    dict(type='WarmupCosineLR', warmup=35, start_lr=1e-3, convert_to_iter_based=True)
]
