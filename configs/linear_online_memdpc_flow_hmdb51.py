# Linear probe of MemDPC on the flow of HMDB51: MemDPC Table 2.
_base_ = 'finetune_memdpc_flow_hmdb51.py'

model = dict(frozen=True)
classification = dict(protocol='linear/online')
