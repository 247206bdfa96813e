# Backbone for whole clips, average pooling, dropout, a linear layer: FGKVMemPred section 4.1.
# Backbone, mean and std are those of the pre-trained checkpoint; what stands here (the paper's
# R3D-18) trains from scratch, or beside weights that carry no config.
model = dict(
    type='ClipClassifier',
    backbone=dict(type='VideoResNet', kind='r3d', depth=18, last_stage='dilated'),
    cls_head=dict(type='ContextHead', dropout=0.5, batch_norm=False),
    frozen=False,
    norm_eval=True,
    max_views=16,
    data_preprocessor=dict(
        type='ClassifierPreprocessor',
        mean=[114.75, 114.75, 114.75],
        std=[57.375, 57.375, 57.375],
        format_shape='NCTHW',
    ),
)
encoder_from = 'checkpoint'
