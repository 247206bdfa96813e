# Mixed methods: dense predictive coding that reads its predictions from FGKVMemPred's key-value
# memory instead of MemDPC's, on the demo videos. Predictors take each other's place by inheritance.
_base_ = 'memdpc_demo.py'

model = dict(
    predictor=dict(
        _delete_=True,
        type='KeyValueMemory',
        in_channels=256,
        out_channels=64,
        num_slots=128,
        scale=16.0,
    )
)
