# As probe_hmdb51.py, on the TV-L1 flow of the same videos (tools/data/extract_flow.py).
_base_ = 'probe_hmdb51.py'
_flow = dict(modality='Flow', suffix='.flow.mp4', data_prefix=dict(video='data/hmdb51/flow'))
evaluation = dict(dataset='HMDB51, flow', gallery=dict(dataset=_flow), query=dict(dataset=_flow))
del _flow
