# For classifiers of blocks: 40 frames at stride 3 as 8 blocks of 5, at 128 x 128. Crop, flip and
# colour are drawn once per clip, colour with p = 0.3 (MemDPC section 5.3, figures of both codes).
# Tested on windows that overlap by half, ten crops of each; DPC's configs take the centre crop.
# Windows of the released tests: sample.step_frames=59 and start_range='released' (MemDPC), DPC with
# 8 blocks 60 (UCF101) or 90 (HMDB51), with 5 blocks 30 or 45. max_windows only bounds videos of more than two minutes.
_base_ = '../loaders/labelled.py'

_window = dict(type='SampleWindow', num_frames=40, stride=3, short='loop')
_open, _decode = dict(type='VideoInit'), dict(type='DecodeFrames')
_resize = dict(type='Resize', scale=(-1, 256))
_shrink = dict(type='Resize', scale=(128, 128), keep_ratio=False)
_crops = dict(type='MultiCrop', crop_size=224)
_pack = dict(
    blocks=dict(type='SplitBlocks', num_blocks=8),
    format=dict(type='FormatShape', input_format='NCTHW'),
    pack=dict(type='PackActionInputs', meta_keys=('img_shape', 'name', 'sample_idx')),
)

# A data set (configs/data) adds its lists, folders and class names.
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        pipeline=dict(
            init=_open,
            sample=dict(_window, mode='random'),
            decode=_decode,
            crop=dict(
                type='RandomResizedCrop', area_range=(0.5, 1.0), aspect_ratio_range=(3 / 4, 4 / 3)
            ),
            resize=dict(type='Resize', scale=(224, 224), keep_ratio=False),
            shrink=_shrink,
            flip=dict(type='VideoFlip', flip_ratio=0.5),
            jitter=dict(
                type='VideoColorJitter',
                brightness=0.5,
                contrast=0.5,
                saturation=0.5,
                hue=0.25,
                p=0.3,
                consistent='clip',
            ),
            **_pack,
        ),
    ),
)
# Between epochs: the centre of the video.
val_dataloader = dict(
    dataset=dict(
        pipeline=dict(
            init=_open,
            sample=dict(_window, mode='center'),
            decode=_decode,
            resize=_resize,
            crop=dict(_crops, crops='center', flip=False),
            shrink=_shrink,
            **_pack,
        ),
    ),
)
test_dataloader = dict(
    dataset=dict(
        pipeline=dict(
            init=_open,
            sample=dict(_window, mode='sliding', overlap=0.5, max_windows=64),
            decode=_decode,
            resize=_resize,
            crop=dict(_crops, crops='five', flip=True),
            shrink=_shrink,
            jitter=None,
            **_pack,
        ),
    ),
)

# The demo videos: at 64 x 64, cropped and resized once, on two CPU cores.
_small = dict(resize=dict(scale=(-1, 72)), crop=dict(crop_size=64), shrink=None)
per_data = dict(
    demo=dict(
        train_dataloader=dict(
            batch_size=8,
            num_workers=1,
            dataset=dict(pipeline=dict(resize=dict(scale=(64, 64)), shrink=None)),
        ),
        val_dataloader=dict(num_workers=1, dataset=dict(pipeline=_small)),
        test_dataloader=dict(num_workers=1, dataset=dict(pipeline=_small)),
    )
)
del _window, _open, _decode, _resize, _shrink, _crops, _pack, _small
