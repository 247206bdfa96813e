# Linear probe on cached features of UCF101: the convex problem, and a grid of SGD heads
# (learning rate x weight decay) in one pass. Penalty and head are chosen on a fifth of the training
# list, never on the test list.
# Low-label study: --cfg-options
#   evaluation.gallery.dataset.ann_file=data/ucf101/train_split1_10percent_seed0.txt
_base_ = ['_base_/datasets/probe_ucf101.py', '_base_/default_runtime.py']
evaluation = dict(protocol=[dict(type='linear/cached'), dict(type='linear/cached-grid')])
