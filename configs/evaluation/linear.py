# Linear probe on cached features: the convex problem, and a grid of SGD heads (learning rate x
# weight decay) in one pass. Penalty and head are chosen on a fifth of the training list, never on
# the test list; of small sets the penalty by cross-validation.
# Low-label study: --cfg-options subset=10percent_seed0
_base_ = ['../_base_/protocols/cached.py', '../_base_/default_runtime.py']
evaluation = dict(protocol=[dict(type='linear/cached'), dict(type='linear/cached-grid')])

_convex = dict(type='linear/cached', folds=5, validations=5)
_ut_interaction = dict(
    evaluation=dict(
        views=dict(mode='uniform', num_windows=3),
        protocol=[_convex, dict(type='retrieval/context-mean-cosine', ks=(1, 5))],
    )
)
per_data = dict(
    demo=dict(
        evaluation=dict(protocol=[_convex, dict(type='linear/cached-grid', folds=5, validations=1)])
    ),
    ut_interaction=_ut_interaction,
    ut_interaction_folds=_ut_interaction,
)
del _convex, _ut_interaction
