# Unintentional actions on Oops, the whole network fine-tuned: MemDPC Table 4, column 'Finetune'.
_base_ = 'unintentional_linear.py'

model = dict(frozen=False)
unintentional = dict(protocol='oops/finetune')
