# Retrieval as MemDPC (section 5.6): R@k of the pooled context, mean over sliding windows, by cosine
# similarity.
_base_ = ['../_base_/protocols/cached.py', '../_base_/default_runtime.py']
evaluation = dict(protocol=dict(type='retrieval/context-mean-cosine'))
