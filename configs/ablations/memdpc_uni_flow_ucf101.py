# MemDPC in one direction on UCF101, TV-L1 flow: MemDPC Table 1, row D1 (with memdpc_uni_ucf101.py:
# D2).
_base_ = '../memdpc_flow_ucf101.py'

model = dict(neck=dict(bidirectional=False))
