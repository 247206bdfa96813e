# Two clips of 16 frames at stride 4 from random times of a video, at 112 x 112 (FGKVMemPred 3.1 and
# 4.1). Each clip has its own crop and flip, the same for all its frames. Starts at least so many
# frames apart: --cfg-options train_dataloader.dataset.pipeline.sample.min_gap=32
_base_ = '../loaders/pretraining.py'

_open = dict(type='VideoInit')
_decode = dict(type='DecodeFrames')
_pack = dict(
    format=dict(type='FormatShape', input_format='NCTHW'),
    pack=dict(type='PackActionInputs'),
)

# A data set (configs/data) adds its lists and folders.
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        # None: the place of a step that other configs put in
        pipeline=dict(
            init=_open,
            sample=dict(
                type='SampleWindow',
                num_frames=16,
                stride=4,
                mode='random',
                num_windows=2,
                min_gap=0,
                short='loop',
            ),
            rate=None,
            dropout=None,
            time_crop=None,
            decode=_decode,
            views=dict(
                type='PerClip',
                transforms=dict(
                    crop=dict(
                        type='RandomResizedCrop',
                        area_range=(0.2, 0.766),
                        aspect_ratio_range=(3 / 4, 4 / 3),
                    ),
                    resize=dict(type='Resize', scale=(112, 112), keep_ratio=False),
                    flip=dict(type='VideoFlip', flip_ratio=0.5),
                    jitter=None,
                    grey=None,
                    blur=None,
                ),
            ),
            **_pack,
        ),
    ),
)
val_dataloader = dict(
    batch_size=8,
    dataset=dict(
        pipeline=dict(
            init=_open,
            sample=dict(
                type='SampleWindow',
                num_frames=16,
                stride=4,
                mode='uniform',
                num_windows=2,
                short='loop',
            ),
            decode=_decode,
            resize=dict(type='Resize', scale=(-1, 128)),
            crop=dict(type='CenterCrop', crop_size=112),
            **_pack,
        ),
    ),
)
del _open, _decode, _pack
