# SSTL, fine-tuned on HMDB51: SSTL Table 1.
#   python tools/train.py configs/finetune_sstl_hmdb51.py --pretrained CKPT
_base_ = [
    '_base_/models/sstl_classifier.py',
    '_base_/datasets/hmdb51_labelled_sstl.py',
    '_base_/schedules/finetune_sstl.py',
    '_base_/default_runtime.py',
]
classification = dict(protocol='finetune', dataset='HMDB51')
load_from = 'required'
