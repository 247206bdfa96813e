# As memdpc_classifier.py for frames of flow (u, v, 128), normalised as in dpc_flow_r18.py.
_base_ = 'memdpc_classifier.py'

model = dict(data_preprocessor=dict(mean=[127.5, 127.5, 128.0], std=[12.75, 12.75, 12.75]))
