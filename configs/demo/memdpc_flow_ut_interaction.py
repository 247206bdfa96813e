# Bidirectional MemDPC (R-18, 1024 slots) on the flow of the UT-Interaction clips at 64 x 64.
_base_ = [
    '_base_/models/memdpc_flow_r18.py',
    '_base_/datasets/ut_interaction_flow_64.py',
    '_base_/schedules/adam_plateau.py',
    '_base_/default_runtime.py',
]
train_cfg = dict(max_epochs=36, val_interval=6)
