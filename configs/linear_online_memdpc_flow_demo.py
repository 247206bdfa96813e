# Linear probe of MemDPC on the flow of the demo videos.
_base_ = 'finetune_memdpc_flow_demo.py'

model = dict(frozen=True)
classification = dict(protocol='linear/online')
