# As memdpc_r18.py for frames of flow (u, v, 128): no motion becomes 0, 2 pixels become 1, and a
# mirrored u is exactly its negative. (The papers say nothing about it; BatchNorm follows.)
_base_ = 'memdpc_r18.py'

model = dict(data_preprocessor=dict(mean=[127.5, 127.5, 128.0], std=[12.75, 12.75, 12.75]))
