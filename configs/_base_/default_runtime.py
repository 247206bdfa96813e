# What every run shares. default_scope and custom_imports may stand in one base file only.
default_scope = 'mmaction'
custom_imports = dict(imports=['mmssl_video'], allow_failed_imports=False)

default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    logger=dict(type='LoggerHook', interval=10, ignore_last=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='AtomicCheckpointHook', interval=1, max_keep_ckpts=3),
)
custom_hooks = [
    dict(type='SampleSeedHook'),
    dict(type='BadSampleHook'),
    dict(type='DataTimeHook'),
    dict(type='TrainingHealthHook'),
    dict(type='SyncNormStatsHook'),
    dict(type='MethodHook'),
]

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
# TensorBoard is left out by mmssl train where it is not installed.
visualizer = dict(
    type='Visualizer',
    vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
)
# Means over the last 20 iterations, of all but learning rates, counts and validation results.
log_processor = dict(
    type='LogProcessor',
    window_size=20,
    by_epoch=True,
    mean_pattern='^(?!lr|base_lr|num_negatives|ssl/|acc/|oops/)',
)
log_level = 'INFO'
randomness = dict(seed=0)
load_from = None
resume = False
