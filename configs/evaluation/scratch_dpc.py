# DPC's network trained from scratch, with all else of finetune_dpc.py.
_base_ = 'finetune_dpc.py'

classification = dict(protocol='scratch')
load_from = None
