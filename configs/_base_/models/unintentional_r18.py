# Unintentional actions (MemDPC appendix B): encoder, phi and memory of MemDPC in one direction, and
# a linear classifier of z_t and its prediction. The weights balance the classes of the steps that
# unintentional_128.py draws: about 35, 12 and 53 % intentional, transitioning and unintentional.
_base_ = 'memdpc_r18.py'

model = dict(
    _delete_=True,
    type='UnintentionalActionClassifier',
    backbone=_base_.model.backbone,
    neck=dict(_base_.model.neck, bidirectional=False),
    predictor=dict(
        type='CompressiveMemory', in_channels=256, out_channels=256, num_slots=1024, init_gain=0.1
    ),
    cls_head=dict(
        type='ContextHead',
        num_classes=3,
        dropout=0.0,
        batch_norm=False,
        loss_cls=dict(type='CrossEntropyLoss', class_weight=[1.0, 3.0, 0.65]),
    ),
    num_blocks=8,
    frozen=True,
    data_preprocessor=_base_.model.data_preprocessor,
)
