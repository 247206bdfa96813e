# DPC, fine-tuned on the demo videos.
#   python tools/train.py configs/finetune_dpc_demo.py --pretrained CKPT
_base_ = [
    '_base_/models/context_classifier.py',
    '_base_/datasets/demo_labelled_blocks.py',
    '_base_/schedules/finetune_dpc.py',
    '_base_/default_runtime.py',
]
# Blocks of a clip: 5 in the paper; 8 in the released code (--cfg-options num_blocks=8).
num_blocks = 5
# Without a checkpoint: the narrow network of dpc_demo.py.
model = dict(backbone=dict(base_channels=16), neck=dict(in_channels=64, hidden_channels=256))
train_cfg = dict(max_epochs=12, val_interval=2)
param_scheduler = [dict(type='MultiStepLR', milestones=[8, 10], gamma=0.1, by_epoch=True)]
# The centre crop alone is tested (section 4).
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(step, crops='center', flip=False) if step['type'] == 'MultiCrop' else step
            for step in _base_.test_pipeline
        ]
    )
)
classification = dict(protocol='finetune', dataset='demo videos')
load_from = 'required'
