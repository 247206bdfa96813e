# MemDPC, fine-tuned on HMDB51: MemDPC Table 1, column ft, and Table 2.
#   python tools/train.py configs/finetune_memdpc_hmdb51.py --pretrained CKPT
_base_ = [
    '_base_/models/memdpc_classifier.py',
    '_base_/datasets/hmdb51_labelled_blocks.py',
    '_base_/schedules/finetune_memdpc.py',
    '_base_/default_runtime.py',
]
classification = dict(protocol='finetune', dataset='HMDB51')
load_from = 'required'
