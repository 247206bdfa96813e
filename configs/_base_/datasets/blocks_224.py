# Clips of 40 frames at stride 3, re-labelled as 8 blocks of 5, at 224 x 224.
# Crop and flip are drawn once per clip, colour once per frame (DPC section 3.5, MemDPC section 5.2).
_draw = [
    dict(type='RandomResizedCrop', area_range=(0.5, 1.0), aspect_ratio_range=(3 / 4, 4 / 3)),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='VideoRandomGray', p=0.25, mode='channel', consistent='frame'),
    dict(type='VideoColorJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25,
         consistent='frame'),
]
_pack = [
    dict(type='SplitBlocks', num_blocks=8),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_pipeline = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=40, stride=3, mode='random', short='loop'),
    dict(type='DecodeFrames'),
    *_draw,
    *_pack,
]
val_pipeline = [
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames=40, stride=3, mode='center', short='loop'),
    dict(type='DecodeFrames'),
    dict(type='Resize', scale=(-1, 256)),
    dict(type='CenterCrop', crop_size=224),
    *_pack,
]
del _draw, _pack
