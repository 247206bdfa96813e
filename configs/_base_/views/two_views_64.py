# As two_views_112.py, with 8 frames at stride 3 at 64 x 64 for small videos and two CPU cores, and
# the colours of the released code: see ablations/fgkvmem_released_r3d18_ucf101.py.
_base_ = 'two_views_112.py'

_sample = dict(num_frames=8, stride=3)
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(
        pipeline=dict(
            sample=_sample,
            views=dict(
                transforms=dict(
                    crop=dict(area_range=(0.3, 1.0)),
                    resize=dict(scale=(64, 64)),
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
                )
            ),
        )
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(
        pipeline=dict(sample=_sample, resize=dict(scale=(-1, 72)), crop=dict(crop_size=64))
    ),
)
del _sample
