# Retrieval as DPC (section 4.3): cosine of the pooled f(x) of one block; here the middle block of the
# centre window, where the paper draws one at random.
_base_ = ['../_base_/protocols/cached.py', '../_base_/default_runtime.py']
evaluation = dict(views=dict(mode='center'), protocol=dict(type='retrieval/block-cosine'))
