# FGKVMemPred's network trained from scratch on UCF101.
_base_ = 'finetune_fgkvmem_ucf101.py'

classification = dict(protocol='scratch')
load_from = None
