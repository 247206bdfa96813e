# DPC (section 3.4): 2D3D-ResNet18, one ConvGRU layer with 1x1 kernels, a two-layer perceptron.
model = dict(
    type='DensePredictiveCoding',
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
    predictor=dict(type='MLPPredictor', in_channels=256, out_channels=256, init_gain=1.0),
    losses=dict(
        prediction=dict(type='DenseInfoNCELoss', temperature=1.0, normalize=False, gather=False)
    ),
    num_blocks=8,
    pred_steps=3,
    prediction='sequential',
    feature_map=True,
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW',
    ),
)
