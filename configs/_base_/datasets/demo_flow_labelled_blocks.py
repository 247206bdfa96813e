# TV-L1 flow (tools/data/extract_flow.py) of demo_labelled_blocks.py: no colour jitter.
_base_ = 'demo_labelled_blocks.py'

train_pipeline = [step for step in _base_.train_pipeline if step['type'] != 'VideoColorJitter']
_flow = dict(modality='Flow', suffix='.flow.mp4', data_prefix=dict(video='data/demo/flow'))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **_flow))
val_dataloader = dict(dataset=_flow)
test_dataloader = dict(dataset=_flow)
del _flow
