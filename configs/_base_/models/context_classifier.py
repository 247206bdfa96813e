# DPC's classifier: pooled context, (batch norm,) dropout and a linear layer (DPC section 4; the
# released code has the batch norm). Backbone, neck, mean and std are those of the pre-trained
# checkpoint; what stands here trains from scratch, or beside weights that carry no config.
model = dict(
    type='ContextClassifier',
    backbone=dict(type='ResNet2d3d', depth=18, base_channels=64, norm_cfg=dict(type='BN')),
    neck=dict(
        type='ConvGRU',
        in_channels=256,
        hidden_channels=256,
        num_layers=1,
        kernel_size=1,
        dropout=0.1,
        bidirectional=False,
        init_gain=1.0,
    ),
    cls_head=dict(type='ContextHead', dropout=0.5, batch_norm=True),
    num_blocks=8,
    relu_first=True,
    frozen=False,
    norm_eval=True,
    max_views=16,
    data_preprocessor=dict(
        type='ClassifierPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW',
    ),
)
encoder_from = 'checkpoint'
