# Clips of 40 frames at stride 3, re-labelled as 8 blocks of 5, at 128 x 128; labels are not used.
# Crop and flip are drawn once per clip, colour once per frame (DPC section 3.5, MemDPC section 5.2).
_base_ = '../loaders/pretraining.py'

_open = dict(type='VideoInit')
_decode = dict(type='DecodeFrames')
_shrink = dict(type='Resize', scale=(128, 128), keep_ratio=False)
# None: the place of a step that other configs put in
_pack = dict(
    blocks=dict(type='SplitBlocks', num_blocks=8),
    label=None,
    format=dict(type='FormatShape', input_format='NCTHW'),
    pack=dict(type='PackActionInputs'),
)

# A data set (configs/data) adds its lists and folders.
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        pipeline=dict(
            init=_open,
            sample=dict(type='SampleWindow', num_frames=40, stride=3, mode='random', short='loop'),
            rate=None,
            dropout=None,
            time_crop=None,
            decode=_decode,
            crop=dict(
                type='RandomResizedCrop', area_range=(0.5, 1.0), aspect_ratio_range=(3 / 4, 4 / 3)
            ),
            resize=dict(type='Resize', scale=(224, 224), keep_ratio=False),
            shrink=_shrink,
            flip=dict(type='Flip', flip_ratio=0.5),
            grey=dict(type='VideoRandomGray', p=0.25, mode='channel', consistent='frame'),
            jitter=dict(
                type='VideoColorJitter',
                brightness=0.5,
                contrast=0.5,
                saturation=0.5,
                hue=0.25,
                consistent='frame',
            ),
            **_pack,
        ),
    ),
)
val_dataloader = dict(
    batch_size=16,
    dataset=dict(
        pipeline=dict(
            init=_open,
            sample=dict(type='SampleWindow', num_frames=40, stride=3, mode='center', short='loop'),
            decode=_decode,
            resize=dict(type='Resize', scale=(-1, 256)),
            crop=dict(type='CenterCrop', crop_size=224),
            shrink=_shrink,
            **_pack,
        ),
    ),
)
del _open, _decode, _shrink, _pack
