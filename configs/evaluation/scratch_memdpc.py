# MemDPC's network trained from scratch on UCF101: MemDPC Table 1, row B1.
_base_ = 'finetune_memdpc_ucf101.py'

classification = dict(protocol='scratch')
load_from = None
