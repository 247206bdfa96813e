# Linear probe on cached features of the demo videos: the convex problem, its penalty chosen by
# cross-validation on the training list; and a grid of SGD heads (learning rate x weight decay) in
# one pass, the best chosen on a fifth of that list.
_base_ = ['_base_/datasets/probe_demo.py', '_base_/default_runtime.py']
evaluation = dict(
    protocol=[
        dict(type='linear/cached', folds=5, validations=5),
        dict(type='linear/cached-grid', folds=5, validations=1),
    ]
)
