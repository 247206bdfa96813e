# DPC Table 1, row 'remove Seq.': every step has a predictor of its own, all read one context.
_base_ = '../dpc_ucf101.py'

model = dict(prediction='parallel')
