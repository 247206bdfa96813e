# SSTL without temporal augmentations: Table 4, row 2; "w/o temp" of Figure 1, Tables 2 and 3; row 1
# (no colour jitter) with --cfg-options train_dataloader.dataset.pipeline.5.transforms.3.p=0
_base_ = 'sstl_k400.py'

_off = ('PlaybackRateDistortion', 'TemporalRandomDropout')
model = dict(rate_weight=0)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(step, num_frames=16) if step['type'] == 'SampleWindow' else step
            for step in _base_.train_dataloader.dataset.pipeline
            if step['type'] not in _off
        ]
    )
)
del _off
