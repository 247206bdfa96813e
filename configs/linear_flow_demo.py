# As linear_demo.py, for encoders of optical flow.
_base_ = ['_base_/datasets/probe_demo_flow.py', '_base_/default_runtime.py']
evaluation = dict(
    protocol=[
        dict(type='linear/cached', folds=5, validations=5),
        dict(type='linear/cached-grid', folds=5, validations=1),
    ]
)
