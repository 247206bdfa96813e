# FGKVMemPred's network trained from scratch on HMDB51.
_base_ = 'finetune_fgkvmem_hmdb51.py'

classification = dict(protocol='scratch')
load_from = None
