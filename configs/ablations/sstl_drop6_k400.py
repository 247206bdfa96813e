# SSTL with crop and dropout of 6 from 16 + 16 frames at the true rate: Table 4, row 5.
_base_ = 'sstl_drop4_k400.py'

_change = dict(SampleWindow=dict(num_frames=32), TemporalRandomDropout=dict(num_dropped=6))
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(step, **_change[step['type']]) if step['type'] in _change else step
            for step in _base_.train_dataloader.dataset.pipeline
        ]
    )
)
del _change
