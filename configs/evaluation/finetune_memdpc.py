# MemDPC, fine-tuned on UCF101: MemDPC Table 1, column ft, and Table 2.
#   python tools/train.py configs/finetune_memdpc_ucf101.py --pretrained CKPT
_base_ = [
    '_base_/models/memdpc_classifier.py',
    '_base_/datasets/ucf101_labelled_blocks.py',
    '_base_/schedules/finetune_memdpc.py',
    '_base_/default_runtime.py',
]
classification = dict(protocol='finetune', dataset='UCF101')
load_from = 'required'
