# MemDPC (sections 3.1-3.3), bidirectional: DPC whose prediction is read from 1024 memory slots.
_base_ = 'dpc_r18.py'

model = dict(
    neck=dict(bidirectional=True, init_gain=0.1),
    predictor=dict(
        _delete_=True,
        type='CompressiveMemory',
        in_channels=256,
        out_channels=256,
        num_slots=1024,
        init_gain=0.1,
    ),
    direction_reduction='mean',
)
