# SSTL (section 3): R3D-18 with a max-pool after the stem, an MLP to 512, L = 2 cells a video.
model = dict(
    type='SSTL',
    backbone=dict(
        type='VideoResNet', kind='r3d', depth=18, stem_pool=True, norm_cfg=dict(type='BN')
    ),
    projector=dict(
        type='ProjectionMLP', in_channels=512, hidden_channels=512, out_channels=512, out_norm=True
    ),
    bank=dict(
        type='TemporalMemoryBank',
        dim=512,
        num_cells=2,
        momentum=0.5,
        strategy='neighbours',
        attenuation=0.6,
        neighbour_rule='equation',
        dtype='float32',
        storage='auto',
    ),
    rate_head=dict(type='PlaybackRateHead', in_features=512 * 2 * 4 * 4, hidden_channels=512),
    losses=dict(
        clip=dict(
            type='ClipContrastLoss', weight=1.0, temperature=0.1, num_negatives=2048, gather=True
        ),
        video=dict(type='ClipToVideoLoss', weight=0.2),
        rate=dict(type='PlaybackRateLoss', weight=0.1),
    ),
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW',
    ),
)
