# As retrieval_demo.py, for encoders of optical flow.
_base_ = ['_base_/datasets/probe_demo_flow.py', '_base_/default_runtime.py']
evaluation = dict(protocol=dict(type='retrieval/context-mean-cosine'))
