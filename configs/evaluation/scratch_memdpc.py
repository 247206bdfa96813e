# MemDPC's network trained from scratch, with all else of finetune_memdpc.py: MemDPC Table 1, row B1; on flow
# (--flow): row B2.
_base_ = 'finetune_memdpc.py'

classification = dict(protocol='scratch')
load_from = None
