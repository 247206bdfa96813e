# Linear probe of FGKVMemPred on the demo videos: a bare linear layer without dropout (section 4.1).
# The released code trains it at 0.1 with a warm-up, and lets the batch norm of the frozen encoder
# work as in training: --cfg-options model.norm_eval=False optim_wrapper.optimizer.lr=0.1
_base_ = 'finetune_fgkvmem_demo.py'

model = dict(frozen=True, cls_head=dict(dropout=0.0))
classification = dict(protocol='linear/online')
