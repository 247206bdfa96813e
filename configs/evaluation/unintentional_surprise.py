# Surprise on the test videos of Oops, training-free: discrepancy of predicted and true feature over
# time, and how often its peak is at the failure (MemDPC section 4; Oops' measure).
#   mmssl test unintentional_surprise --data oops CKPT    (CKPT: of DPC or MemDPC)
_base_ = '../_base_/default_runtime.py'

surprise = dict(num_workers=8, videos=dict(type='OopsDataset'))
per_data = dict(oops_demo=dict(surprise=dict(num_workers=2)))
