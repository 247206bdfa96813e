# As retrieval_fgkvmem_released_ut_interaction_folds.py, for encoders of optical flow.
_base_ = 'retrieval_fgkvmem_released_ut_interaction_folds.py'

_flow = dict(
    modality='Flow', suffix='.flow.mp4', data_prefix=dict(video='data/ut_interaction/flow/videos')
)
evaluation = dict(
    dataset='UT-Interaction, flow', gallery=dict(dataset=_flow), query=dict(dataset=_flow)
)
del _flow
