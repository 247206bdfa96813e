# SSTL with a temporal memory bank and the clip-to-video loss, but without speed prediction: Table 5,
# last row. Row 4 (no clip-to-video loss): --cfg-options model.losses.video=None
_base_ = '../sstl_k400.py'

model = dict(losses=dict(rate=None))
