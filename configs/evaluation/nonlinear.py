# Non-linear probe (MemDPC section 5.4) on cached features of UCF101: of a grid of heads the best is
# chosen on a fifth of the training list.
# Low-label study: --cfg-options
#   evaluation.gallery.dataset.ann_file=data/ucf101/train_split1_10percent_seed0.txt
_base_ = ['_base_/datasets/probe_ucf101.py', '_base_/default_runtime.py']
evaluation = dict(protocol=dict(type='mlp/cached'))
