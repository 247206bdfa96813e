# Mixed methods: MemDPC on windows that pass SSTL's temporal augmentations, on the demo videos: of 46
# frames, 2 are dropped apart and up to 4 by playback rate, and a run of 40 is kept.
_base_ = 'memdpc_demo.py'

_augmented = [
    dict(type='PlaybackRateDistortion', max_rate=1.1, max_dropped=4),
    dict(type='TemporalRandomDropout', num_dropped=2),
    dict(type='TemporalRandomCrop', num_frames=40),
]
_open, _sample, *_rest = _base_.train_dataloader.dataset.pipeline
train_dataloader = dict(
    dataset=dict(pipeline=[_open, dict(_sample, num_frames=46), *_augmented, *_rest])
)
del _augmented, _open, _sample, _rest
