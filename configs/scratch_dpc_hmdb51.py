# DPC's network trained from scratch on HMDB51, with all else of finetune_dpc_hmdb51.py.
_base_ = 'finetune_dpc_hmdb51.py'

classification = dict(protocol='scratch')
load_from = None
