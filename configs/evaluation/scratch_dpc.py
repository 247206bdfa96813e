# DPC's network trained from scratch on UCF101, with all else of finetune_dpc_ucf101.py.
_base_ = 'finetune_dpc_ucf101.py'

classification = dict(protocol='scratch')
load_from = None
