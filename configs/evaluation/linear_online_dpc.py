# Linear probe of a DPC encoder on UCF101, augmented inputs, frozen encoder. (The paper
# fine-tunes only; schedule and head are those of its fine-tuning.)
_base_ = 'finetune_dpc_ucf101.py'

model = dict(frozen=True)
classification = dict(protocol='linear/online')
