# SSTL's network trained from scratch, with all else of finetune_sstl.py: SSTL Table 1, row 'Scratch'.
_base_ = 'finetune_sstl.py'

classification = dict(protocol='scratch')
load_from = None
