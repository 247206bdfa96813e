# DPC's network trained from scratch on the demo videos, with all else of finetune_dpc_demo.py.
_base_ = 'finetune_dpc_demo.py'

classification = dict(protocol='scratch')
load_from = None
