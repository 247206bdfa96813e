# MemDPC's network trained from scratch on the flow of HMDB51: MemDPC Table 1, row B2.
_base_ = 'finetune_memdpc_flow_hmdb51.py'

classification = dict(protocol='scratch')
load_from = None
