# TV-L1 flow of the demo videos (tools/data/extract_flow.py), with the pipeline of
# ucf101_flow_128.py at 64 x 64.
_base_ = 'demo_64.py'

train_pipeline = [
    dict(step, type='VideoFlip') if step['type'] == 'Flip' else step
    for step in _base_.train_pipeline
    if step['type'] not in ('VideoRandomGray', 'VideoColorJitter')
]
_flow = dict(modality='Flow', suffix='.flow.mp4', data_prefix=dict(video='data/demo/flow'))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **_flow))
val_dataloader = dict(dataset=_flow)
del _flow
