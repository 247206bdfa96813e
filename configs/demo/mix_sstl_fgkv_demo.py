# Mixed methods: FGKVMemPred on two clips that each pass SSTL's temporal augmentations, on the demo
# videos: 8 of 8 + 6 frames.
_base_ = 'fgkvmem_demo.py'

_augmented = [
    dict(type='PlaybackRateDistortion', max_rate=1.25, max_dropped=3),
    dict(type='TemporalRandomDropout', num_dropped=2),
    dict(type='TemporalRandomCrop', num_frames=8),
]
_open, _sample, *_rest = _base_.train_dataloader.dataset.pipeline
train_dataloader = dict(
    dataset=dict(pipeline=[_open, dict(_sample, num_frames=14), *_augmented, *_rest])
)
del _augmented, _open, _sample, _rest
