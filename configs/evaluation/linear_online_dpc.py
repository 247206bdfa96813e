# Linear probe of a DPC encoder, augmented inputs, frozen encoder. (The paper fine-tunes only;
# schedule and head are those of its fine-tuning.)
_base_ = 'finetune_dpc.py'

model = dict(frozen=True)
classification = dict(protocol='linear/online')
