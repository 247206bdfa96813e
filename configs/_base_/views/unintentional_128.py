# Oops at 128 x 128: windows of 8 blocks labelled by the failure time. Training oversamples windows
# with the failure in them; testing moves the window by half its length, 4 blocks of 15 frames.
_base_ = 'blocks_128.py'

_window = dict(type='SampleUnintentionalWindow', num_frames=40, stride=3, num_blocks=8, short='pad')
_label = dict(type='LabelUnintentionalSteps')
_pack = dict(
    type='PackActionInputs',
    meta_keys=(
        'name',
        'sample_idx',
        'total_frames',
        'avg_fps',
        'step_starts',
        'step_frames',
        'failure_frame',
    ),
)
_sliding = dict(_window, mode='sliding', step_frames=60)

train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        type='OopsDataset',
        pipeline=dict(
            sample=dict(_window, _delete_=True, mode='random', failure_probability=0.8),
            label=dict(_label, _delete_=True),
            pack=_pack,
        ),
    ),
)
val_dataloader = dict(
    batch_size=4,
    sampler=dict(shuffle=False),
    dataset=dict(
        type='OopsDataset',
        pipeline=dict(
            sample=dict(_sliding, _delete_=True), label=dict(_label, _delete_=True), pack=_pack
        ),
    ),
)
test_dataloader = dict(
    batch_size=4,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='OopsDataset',
        pipeline=dict(
            _base_.val_dataloader.dataset.pipeline, sample=_sliding, label=_label, pack=_pack
        ),
        test_mode=True,
    ),
)
val_evaluator = dict(_delete_=True, type='UnintentionalActionMetric')
test_evaluator = dict(type='UnintentionalActionMetric')

# Demo videos whose motion breaks: at 64 x 64, cropped and resized once.
_small = dict(resize=dict(scale=(-1, 72)), crop=dict(crop_size=64), shrink=None)
per_data = dict(
    oops_demo=dict(
        train_dataloader=dict(
            batch_size=8,
            num_workers=1,
            dataset=dict(pipeline=dict(resize=dict(scale=(64, 64)), shrink=None)),
        ),
        val_dataloader=dict(num_workers=1, dataset=dict(pipeline=_small)),
        test_dataloader=dict(num_workers=1, dataset=dict(pipeline=_small)),
    )
)
del _window, _label, _pack, _sliding, _small
