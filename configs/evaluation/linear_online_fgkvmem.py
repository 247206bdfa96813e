# Linear probe of FGKVMemPred: a bare linear layer without dropout (section 4.1), 100 epochs.
# The released code trains it at 0.1 with a warm-up, and lets the batch norm of the frozen encoder
# work as in training: --cfg-options model.norm_eval=False optim_wrapper.optimizer.lr=0.1
_base_ = 'finetune_fgkvmem.py'

model = dict(frozen=True, cls_head=dict(dropout=0.0))
train_cfg = dict(max_epochs=100)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=100, by_epoch=True, convert_to_iter_based=True)
]
classification = dict(protocol='linear/online')
