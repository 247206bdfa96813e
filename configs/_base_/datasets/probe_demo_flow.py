# As probe_demo.py, on the TV-L1 flow of the same videos (tools/data/extract_flow.py).
_base_ = 'probe_demo.py'
_flow = dict(modality='Flow', suffix='.flow.mp4', data_prefix=dict(video='data/demo/flow'))
evaluation = dict(
    dataset='demo videos, flow', gallery=dict(dataset=_flow), query=dict(dataset=_flow)
)
del _flow
