# FGKVMemPred's network trained from scratch on the demo videos.
_base_ = 'finetune_fgkvmem_demo.py'

classification = dict(protocol='scratch')
load_from = None
