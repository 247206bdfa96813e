# Linear probe of MemDPC on the flow of UCF101: MemDPC Table 2.
_base_ = 'finetune_memdpc_flow_ucf101.py'

model = dict(frozen=True)
classification = dict(protocol='linear/online')
