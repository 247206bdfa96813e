# KVMemPred for the demo videos; see fgkvmem_demo.py.
_base_ = 'fgkvmem_demo.py'

model = dict(concepts=None)
