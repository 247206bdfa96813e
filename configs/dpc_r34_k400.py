# DPC on Kinetics-400 at 224 x 224 with R-34: DPC Table 4, last row.
_base_ = [
    '_base_/models/dpc_r18.py',
    '_base_/datasets/k400_224.py',
    '_base_/schedules/adam_plateau.py',
    '_base_/default_runtime.py',
]
model = dict(backbone=dict(depth=34))
# Random grey with p = 0.5 as in DPC's released code (MemDPC: 0.25); no paper gives a figure.
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(step, p=0.5) if step['type'] == 'VideoRandomGray' else step
            for step in _base_.train_pipeline
        ]
    )
)
auto_scale_lr = dict(base_batch_size=64)
