# TV-L1 flow of Kinetics-400 (tools/data/extract_flow.py), with the pipeline of ucf101_flow_128.py at
# 224 x 224.
_base_ = 'k400_224.py'

train_pipeline = [
    dict(step, type='VideoFlip') if step['type'] == 'Flip' else step
    for step in _base_.train_pipeline
    if step['type'] not in ('VideoRandomGray', 'VideoColorJitter')
]
_flow = dict(modality='Flow', suffix='.flow.mp4')
train_dataloader = dict(
    dataset=dict(
        pipeline=train_pipeline, data_prefix=dict(video='data/kinetics400/flow_train'), **_flow
    )
)
val_dataloader = dict(dataset=dict(data_prefix=dict(video='data/kinetics400/flow_val'), **_flow))
del _flow
