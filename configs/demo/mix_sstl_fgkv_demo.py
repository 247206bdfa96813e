# Mixed methods: FGKVMemPred on two clips that each pass SSTL's temporal augmentations, on the demo
# videos: 8 of 8 + 6 frames.
_base_ = 'fgkvmem_demo.py'

train_dataloader = dict(
    dataset=dict(
        pipeline=dict(
            sample=dict(num_frames=14),
            rate=dict(_delete_=True, type='PlaybackRateDistortion', max_rate=1.25, max_dropped=3),
            dropout=dict(_delete_=True, type='TemporalRandomDropout', num_dropped=2),
            time_crop=dict(_delete_=True, type='TemporalRandomCrop', num_frames=8),
        )
    )
)
