# UT-Interaction clips (segmented version), 64 x 64; clips of about two seconds are wrapped round to
# the 79 frames of a window.
_base_ = 'blocks_64.py'

train_dataloader = dict(
    dataset=dict(
        ann_file='data/ut_interaction/train.txt',
        data_prefix=dict(video='data/ut_interaction'),
        pipeline=[
            dict(step, stride=2) if step['type'] == 'SampleWindow' else step
            for step in _base_.train_pipeline
        ],
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='data/ut_interaction/test.txt',
        data_prefix=dict(video='data/ut_interaction'),
        pipeline=[
            dict(step, stride=2) if step['type'] == 'SampleWindow' else step
            for step in _base_.val_pipeline
        ],
    )
)
