# KVMemPred (FGKVMemPred section 3.2): BYOL whose prediction is read from a key-value memory.
_base_ = 'byol_r3d18.py'

model = dict(
    predictor=dict(
        _delete_=True,
        type='KeyValueMemory',
        in_channels=256,
        out_channels=256,
        num_slots=4096,
        scale=64.0,
    )
)
