# As probe_ucf101.py, on the TV-L1 flow of the same videos (tools/data/extract_flow.py).
_base_ = 'probe_ucf101.py'
_flow = dict(modality='Flow', suffix='.flow.mp4', data_prefix=dict(video='data/ucf101/flow'))
evaluation = dict(dataset='UCF101, flow', gallery=dict(dataset=_flow), query=dict(dataset=_flow))
del _flow
