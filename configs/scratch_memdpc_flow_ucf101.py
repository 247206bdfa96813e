# MemDPC's network trained from scratch on the flow of UCF101: MemDPC Table 1, row B2.
_base_ = 'finetune_memdpc_flow_ucf101.py'

classification = dict(protocol='scratch')
load_from = None
