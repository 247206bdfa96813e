# Retrieval on the demo videos: R@k of the pooled context by cosine similarity (MemDPC).
_base_ = ['_base_/datasets/probe_demo.py', '_base_/default_runtime.py']
evaluation = dict(protocol=dict(type='retrieval/context-mean-cosine', ks=(1, 5, 10, 20)))
