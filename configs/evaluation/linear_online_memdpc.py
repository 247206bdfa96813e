# Linear probe of MemDPC, augmented inputs and a frozen encoder: MemDPC Table 2 (on flow: --flow).
# As in the released code it has batch norm; the bare layer: model.cls_head.batch_norm=False.
# (Its README asks for dropout 0.5: model.cls_head.dropout=0.5.)
_base_ = 'finetune_memdpc.py'

model = dict(frozen=True)
classification = dict(protocol='linear/online')
