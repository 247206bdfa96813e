# Mixed methods: MemDPC on windows that pass SSTL's temporal augmentations, on the demo videos: of 46
# frames, 2 are dropped apart and up to 4 by playback rate, and a run of 40 is kept.
_base_ = 'memdpc_demo.py'

train_dataloader = dict(
    dataset=dict(
        pipeline=dict(
            sample=dict(num_frames=46),
            rate=dict(_delete_=True, type='PlaybackRateDistortion', max_rate=1.1, max_dropped=4),
            dropout=dict(_delete_=True, type='TemporalRandomDropout', num_dropped=2),
            time_crop=dict(_delete_=True, type='TemporalRandomCrop', num_frames=40),
        )
    )
)
