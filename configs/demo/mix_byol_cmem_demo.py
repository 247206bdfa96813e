# Mixed methods: BYOL that reads its predictions from MemDPC's compressive memory instead of the
# key-value memory, on the demo videos. Predictors take each other's place by inheritance.
_base_ = 'byol_demo.py'

model = dict(
    predictor=dict(
        _delete_=True,
        type='CompressiveMemory',
        in_channels=128,
        out_channels=128,
        num_slots=256,
        init_gain=1.0,
    )
)
