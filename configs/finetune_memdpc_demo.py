# MemDPC, fine-tuned on the demo videos.
#   python tools/train.py configs/finetune_memdpc_demo.py --pretrained CKPT
_base_ = [
    '_base_/models/memdpc_classifier.py',
    '_base_/datasets/demo_labelled_blocks.py',
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
classification = dict(protocol='finetune', dataset='demo videos')
load_from = 'required'
