# FGKVMemPred's network trained from scratch, with all else of finetune_fgkvmem.py.
_base_ = 'finetune_fgkvmem.py'

classification = dict(protocol='scratch')
load_from = None
