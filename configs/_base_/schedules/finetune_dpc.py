# Adam at 1e-3, weight decay 1e-3, decayed twice (DPC section 4). Epochs are those of the released
# code for UCF101: drops at 60 and 80 (at 224 x 224: 300 and 400; HMDB51: 150 and 250); it takes
# each drop one epoch late. 64 clips per GPU as in pre-training: the paper gives no batch size here.
# The released code means to train the encoder at a tenth of the rate and does not; this does:
#   --cfg-options "optim_wrapper.paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))"
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableParamsConstructor',
    optimizer=dict(type='Adam', lr=1e-3, weight_decay=1e-3),
)
param_scheduler = [dict(type='MultiStepLR', milestones=[60, 80], gamma=0.1, by_epoch=True)]
