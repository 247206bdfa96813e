# sstl_demo.py without temporal augmentations, for comparison under equal budget.
_base_ = 'sstl_demo.py'

_off = ('PlaybackRateDistortion', 'TemporalRandomDropout')
model = dict(rate_weight=0)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(step, num_frames=8) if step['type'] == 'SampleWindow' else step
            for step in _base_.train_dataloader.dataset.pipeline
            if step['type'] not in _off
        ]
    )
)
del _off
