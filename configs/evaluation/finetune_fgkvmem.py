# FGKVMemPred, fine-tuned on UCF101: FGKVMemPred Table 1 (R3D-18, 16 x 112 x 112).
#   python tools/train.py configs/finetune_fgkvmem_ucf101.py --pretrained CKPT
_base_ = [
    '_base_/models/clip_classifier.py',
    '_base_/datasets/ucf101_labelled_fgkvmem.py',
    '_base_/schedules/finetune_fgkvmem.py',
    '_base_/default_runtime.py',
]
classification = dict(protocol='finetune', dataset='UCF101')
load_from = 'required'
