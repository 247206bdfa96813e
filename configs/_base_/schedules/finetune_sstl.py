# SGD at 0.02, weight decay 0.01, 120 epochs, rate times 0.15 at epochs 50, 80 and 100 (SSTL section
# 4.2); momentum and clips per GPU as in its pre-training (16 GPUs in the paper).
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=120, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableParamsConstructor',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.01),
)
param_scheduler = [dict(type='MultiStepLR', milestones=[50, 80, 100], gamma=0.15, by_epoch=True)]
