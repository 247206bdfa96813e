# TV-L1 flow of UCF101 (tools/data/extract_flow.py): lists, windows and crops as for RGB, flips that
# negate u, and no colour augmentation, which has no meaning on displacements.
_base_ = 'ucf101_128.py'

train_pipeline = [
    dict(step, type='VideoFlip') if step['type'] == 'Flip' else step
    for step in _base_.train_pipeline
    if step['type'] not in ('VideoRandomGray', 'VideoColorJitter')
]
_flow = dict(modality='Flow', suffix='.flow.mp4', data_prefix=dict(video='data/ucf101/flow'))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **_flow))
val_dataloader = dict(dataset=_flow)
del _flow
