# As two_views_112.py, with 8 frames at stride 8 at 224 x 224: Slow-R18 (FGKVMemPred section 4.2).
_base_ = 'two_views_112.py'

_sample = dict(num_frames=8, stride=8)
train_dataloader = dict(
    dataset=dict(
        pipeline=dict(sample=_sample, views=dict(transforms=dict(resize=dict(scale=(224, 224)))))
    )
)
val_dataloader = dict(
    dataset=dict(
        pipeline=dict(sample=_sample, resize=dict(scale=(-1, 256)), crop=dict(crop_size=224))
    )
)
del _sample
