# SGD at 2.0 for 2048 clips (32 GPUs x 64), one cosine over 300 epochs (SSTL section 4.2). For
# another batch: --auto-scale-lr
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=300)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=2.0, momentum=0.9, weight_decay=1e-6)
)
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=True, convert_to_iter_based=True)
]
auto_scale_lr = dict(base_batch_size=2048)
