# As temporal_views_112.py for small videos and two CPU cores: 8 + 6 frames at stride 3 (of which up
# to 3 and 2 are dropped), at 64 x 64. Weaker in space, so that a few hundred steps learn.
_base_ = 'temporal_views_112.py'

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(
        pipeline=dict(
            sample=dict(num_frames=14, stride=3),
            rate=dict(max_dropped=3),
            dropout=dict(num_dropped=2),
            time_crop=dict(num_frames=8),
            views=dict(
                transforms=dict(
                    crop=dict(area_range=(0.5, 1.0)),
                    resize=dict(scale=(64, 64)),
                    jitter=dict(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05),
                    grey=dict(p=0.1),
                    blur=None,
                )
            ),
        )
    ),
)
