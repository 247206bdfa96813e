# LARS with weight decay 1e-4 and half a cosine from 1.2 to 0, at a total batch of 64 (FGKVMemPred
# section 4.1). The released configs have Nesterov momentum, weight decay 1e-6 and a warm-up:
#   --cfg-options optim_wrapper.optimizer.nesterov=True optim_wrapper.optimizer.weight_decay=1e-6
#   param_scheduler.0.warmup=35    (10 on Kinetics-400)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=400, val_interval=20)
val_cfg = dict(type='ValLoop')
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='LARS', lr=1.2, momentum=0.9, weight_decay=1e-4)
)
param_scheduler = [dict(type='WarmupCosineLR', warmup=0, convert_to_iter_based=True)]
auto_scale_lr = dict(base_batch_size=64)
