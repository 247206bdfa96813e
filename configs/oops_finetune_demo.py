# As oops_linear_demo.py, the whole network fine-tuned.
_base_ = 'oops_linear_demo.py'

model = dict(frozen=False)
unintentional = dict(protocol='oops/finetune')
