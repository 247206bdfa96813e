# rho-BYOL with an MLP predictor, the baseline of FGKVMemPred (sections 3.1, 4.1): R3D-18 whose res5
# keeps the time as in TCLR, BN of the backbone synchronised over the GPUs.
model = dict(
    type='BYOL',
    backbone=dict(
        type='VideoResNet', kind='r3d', last_stage='dilated', norm_cfg=dict(type='SyncBN')
    ),
    projector=dict(type='ProjectionMLP', in_channels=512, hidden_channels=4096, out_channels=256),
    predictor=dict(
        type='MLPPredictor',
        in_channels=256,
        hidden_channels=4096,
        out_channels=256,
        batch_norm=True,
    ),
    losses=dict(prediction=dict(type='CosinePredictionLoss', weight=1.0)),
    base_momentum=0.996,
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[114.75, 114.75, 114.75],
        std=[57.375, 57.375, 57.375],
        format_shape='NCTHW',
    ),
)
