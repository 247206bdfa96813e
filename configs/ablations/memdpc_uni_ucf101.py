# MemDPC in one direction on UCF101, RGB: MemDPC Table 1, row C2; rows C1 and C3 with
# --cfg-options model.predictor.num_slots=512 (or 2048)
_base_ = '../memdpc_ucf101.py'

model = dict(neck=dict(bidirectional=False))
