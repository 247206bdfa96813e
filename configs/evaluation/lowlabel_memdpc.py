# Few labels: MemDPC fine-tuned on a tenth of the labels of UCF101
# (MemDPC section 5.5, Figure 5, left).
#   python tools/data/make_subsets.py data/ucf101/train_split1.txt
#   python tools/train.py configs/lowlabel_memdpc_ucf101.py --pretrained CKPT
# Other shares by one key: --cfg-options train_dataloader.dataset.ann_file=
#   data/ucf101/train_split1_20percent_seed0.txt (or _50percent; all: train_split1.txt)
# From scratch, for comparison: no --pretrained, but
#   --cfg-options load_from=None classification.protocol=scratch
_base_ = 'finetune_memdpc_ucf101.py'

train_dataloader = dict(dataset=dict(ann_file='data/ucf101/train_split1_10percent_seed0.txt'))
