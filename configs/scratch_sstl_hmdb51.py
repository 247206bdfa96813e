# SSTL's network trained from scratch on HMDB51: SSTL Table 1, row 'Scratch'.
_base_ = 'finetune_sstl_hmdb51.py'

classification = dict(protocol='scratch')
load_from = None
