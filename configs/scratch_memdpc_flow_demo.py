# MemDPC's network trained from scratch on the flow of the demo videos.
_base_ = 'finetune_memdpc_flow_demo.py'

classification = dict(protocol='scratch')
load_from = None
