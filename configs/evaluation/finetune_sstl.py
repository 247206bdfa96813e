# SSTL, fine-tuned on UCF101: SSTL Table 1.
#   python tools/train.py configs/finetune_sstl_ucf101.py --pretrained CKPT
_base_ = [
    '_base_/models/sstl_classifier.py',
    '_base_/datasets/ucf101_labelled_sstl.py',
    '_base_/schedules/finetune_sstl.py',
    '_base_/default_runtime.py',
]
classification = dict(protocol='finetune', dataset='UCF101')
load_from = 'required'
