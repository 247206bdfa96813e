# MemDPC's classifier (section 5.3): dropout 0.9 (the README's linear probe 0.5, cls_head.dropout).
_base_ = 'context_classifier.py'

model = dict(neck=dict(bidirectional=True), cls_head=dict(dropout=0.9))
