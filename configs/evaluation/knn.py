# k nearest neighbours on cached features: plain majority vote, and DINO's weighted vote.
_base_ = ['../_base_/protocols/cached.py', '../_base_/default_runtime.py']
evaluation = dict(
    protocol=[
        dict(type='knn/cosine', k=20),
        dict(type='knn/weighted', k=20, temperature=0.07),
    ]
)
