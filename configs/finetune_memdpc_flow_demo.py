# MemDPC on flow, fine-tuned on the demo videos.
# Fused with RGB (rows D2, E3): tools/fuse.py on what tools/test.py --dump writes of both.
_base_ = [
    '_base_/models/memdpc_flow_classifier.py',
    '_base_/datasets/demo_flow_labelled_blocks.py',
    '_base_/schedules/finetune_memdpc.py',
    '_base_/default_runtime.py',
]
# Without a checkpoint: the narrow network of memdpc_demo.py.
model = dict(backbone=dict(base_channels=16), neck=dict(in_channels=64, hidden_channels=256))
train_cfg = dict(max_epochs=12)
param_scheduler = [
    dict(
        type='ReduceOnPlateauLR',
        monitor='acc/loss',
        rule='less',
        factor=0.1,
        patience=3,
        min_value=1e-4,
    )
]
classification = dict(protocol='finetune', dataset='demo videos, flow')
load_from = 'required'
