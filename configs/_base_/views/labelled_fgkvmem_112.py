# For classifiers of clips: 16 frames at stride 4, short side 128 to 160, crop of 112 (FGKVMemPred
# section 4.1). Tested on 10 clips x 3 crops; the released test draws its crops at random.
_base_ = '../loaders/labelled.py'

_window = dict(type='SampleWindow', num_frames=16, stride=4, short='loop')
_open, _decode = dict(type='VideoInit'), dict(type='DecodeFrames')
_resize = dict(type='Resize', scale=(-1, 128))
_crops = dict(type='MultiCrop', crop_size=128)
_pack = dict(
    format=dict(type='FormatShape', input_format='NCTHW'),
    pack=dict(type='PackActionInputs', meta_keys=('img_shape', 'name', 'sample_idx')),
)

# A data set (configs/data) adds its lists, folders and class names.
train_dataloader = dict(
    batch_size=64,
    dataset=dict(
        # None: the place of a step that other configs put in
        pipeline=dict(
            init=_open,
            sample=dict(_window, mode='random'),
            decode=_decode,
            resize=dict(type='RandomRescale', scale_range=(128, 160)),
            crop=dict(type='RandomCrop', size=112),
            flip=dict(type='VideoFlip', flip_ratio=0.5),
            jitter=None,
            grey=None,
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
            crop=dict(_crops, crops='center'),
            **_pack,
        ),
    ),
)
test_dataloader = dict(
    dataset=dict(
        pipeline=dict(
            init=_open,
            sample=dict(_window, mode='uniform', num_windows=10),
            decode=_decode,
            resize=_resize,
            crop=dict(_crops, crops='three'),
            **_pack,
        ),
    ),
)

# The demo videos: at 64 x 64 (tested on all of 72 x 72), on two CPU cores.
_small = dict(resize=dict(scale=(-1, 72)), crop=dict(crop_size=72))
per_data = dict(
    demo=dict(
        train_dataloader=dict(
            batch_size=8,
            num_workers=1,
            dataset=dict(pipeline=dict(resize=dict(scale_range=(72, 90)), crop=dict(size=64))),
        ),
        val_dataloader=dict(num_workers=1, dataset=dict(pipeline=_small)),
        test_dataloader=dict(num_workers=1, dataset=dict(pipeline=_small)),
    )
)
del _window, _open, _decode, _resize, _crops, _pack, _small
