# MemDPC's network trained from scratch on HMDB51: MemDPC Table 1, row B1.
_base_ = 'finetune_memdpc_hmdb51.py'

classification = dict(protocol='scratch')
load_from = None
