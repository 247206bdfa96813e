# Non-linear probe of MemDPC, frozen encoder: MemDPC Table 2, 'n.l.'. The paper does not give its
# size, and no code was released: one hidden layer as wide as the context of R-18.
_base_ = 'linear_online_memdpc.py'

model = dict(cls_head=dict(hidden_channels=512))
classification = dict(protocol='mlp/online')
