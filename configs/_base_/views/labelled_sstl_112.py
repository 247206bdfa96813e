# For SSTL's classifier (section 4.2): 16 consecutive frames, short side 112, random crop of 112
# (and flips, as section 3.1 has them). Tested on 5 clips at equal distances, centre crop.
_base_ = 'labelled_fgkvmem_112.py'

_resize = dict(scale=(-1, 112))
_crop = dict(crop_size=112, crops='center')
train_dataloader = dict(
    dataset=dict(
        pipeline=dict(
            sample=dict(stride=1), resize=dict(_delete_=True, type='Resize', scale=(-1, 112))
        )
    )
)
val_dataloader = dict(
    dataset=dict(pipeline=dict(sample=dict(stride=1), resize=_resize, crop=_crop))
)
test_dataloader = dict(
    dataset=dict(pipeline=dict(sample=dict(stride=1, num_windows=5), resize=_resize, crop=_crop))
)
_small = dict(resize=dict(scale=(-1, 64)), crop=dict(crop_size=64))
per_data = dict(
    demo=dict(
        train_dataloader=dict(
            dataset=dict(
                pipeline=dict(resize=dict(_delete_=True, scale=(-1, 64)), crop=dict(size=64))
            )
        ),
        val_dataloader=dict(dataset=dict(pipeline=_small)),
        test_dataloader=dict(dataset=dict(pipeline=_small)),
    )
)
del _resize, _crop, _small
