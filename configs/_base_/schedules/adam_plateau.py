# Adam at 1e-3, weight decay 1e-5, one drop to 1e-4 when the held-out loss stops falling (DPC
# section 3.5, MemDPC section 5.2). Fixed milestones instead, as in MemDPC's released code:
#   --cfg-options "param_scheduler=[dict(type='MultiStepLR', milestones=[300], gamma=0.1)]"
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=300, val_interval=1)
val_cfg = dict(type='ValLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, weight_decay=1e-5))
param_scheduler = [
    dict(
        type='ReduceOnPlateauLR',
        monitor='ssl/loss',
        rule='less',
        factor=0.1,
        patience=10,
        min_value=1e-4,
    )
]
