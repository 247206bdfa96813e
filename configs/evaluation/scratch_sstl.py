# SSTL's network trained from scratch on UCF101: SSTL Table 1, row 'Scratch'.
_base_ = 'finetune_sstl_ucf101.py'

classification = dict(protocol='scratch')
load_from = None
