# DPC, fine-tuned on UCF101: DPC Table 4 (R-18; Tables 1 to 3 on UCF101).
#   python tools/train.py configs/finetune_dpc_ucf101.py --pretrained CKPT
_base_ = [
    '_base_/models/context_classifier.py',
    '_base_/datasets/ucf101_labelled_blocks.py',
    '_base_/schedules/finetune_dpc.py',
    '_base_/default_runtime.py',
]
# Blocks of a clip: 5 in the paper; 8 in the released code (--cfg-options num_blocks=8).
num_blocks = 5
train_dataloader = dict(batch_size=64)
# The centre crop alone is tested (section 4).
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(step, crops='center', flip=False) if step['type'] == 'MultiCrop' else step
            for step in _base_.test_pipeline
        ]
    )
)
classification = dict(protocol='finetune', dataset='UCF101')
load_from = 'required'
