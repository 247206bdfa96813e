# Every protocol that takes any views, on UT-Interaction, features extracted once; three windows a
# clip. Fold 0 of 5; all of them:
#   python tools/test_splits.py configs/all_ut_interaction_folds.py CKPT --splits 0 1 2 3 4
_base_ = ['_base_/datasets/probe_ut_interaction_folds.py', '_base_/default_runtime.py']
evaluation = dict(
    views=dict(mode='uniform', num_windows=3),
    protocol=[
        dict(type='linear/cached', folds=5, validations=5),
        dict(type='linear/cached-grid', folds=5, validations=5),
        dict(type='mlp/cached'),
        dict(type='knn/cosine', k=5),
        dict(type='knn/weighted', k=20, temperature=0.07),
        dict(type='retrieval/context-mean-cosine'),
    ],
)
