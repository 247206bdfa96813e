# DPC, fine-tuned on HMDB51: DPC Table 4 (R-18; Tables 1 to 3 on UCF101).
#   python tools/train.py configs/finetune_dpc_hmdb51.py --pretrained CKPT
_base_ = [
    '_base_/models/context_classifier.py',
    '_base_/datasets/hmdb51_labelled_blocks.py',
    '_base_/schedules/finetune_dpc.py',
    '_base_/default_runtime.py',
]
# Blocks of a clip: 5 in the paper; 8 in the released code (--cfg-options num_blocks=8).
num_blocks = 5
train_dataloader = dict(batch_size=64)
train_cfg = dict(max_epochs=300)
param_scheduler = [dict(type='MultiStepLR', milestones=[150, 250], gamma=0.1, by_epoch=True)]
# The centre crop alone is tested (section 4).
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(step, crops='center', flip=False) if step['type'] == 'MultiCrop' else step
            for step in _base_.test_pipeline
        ]
    )
)
classification = dict(protocol='finetune', dataset='HMDB51')
load_from = 'required'
