# Few labels: MemDPC fine-tuned on a tenth of the labels (MemDPC section 5.5, Figure 5, left; right:
# --flow).
#   mmssl subsets data/ucf101/train_split1.txt
#   mmssl train lowlabel_memdpc --data ucf101 --pretrained CKPT
# Other shares by one key: --cfg-options subset=20percent_seed0 (or 50percent_seed0; all: None).
# From scratch, for comparison: no --pretrained, but
#   --cfg-options load_from=None classification.protocol=scratch
_base_ = 'finetune_memdpc.py'

# Of the training list X.txt of a data set the part X_<subset>.txt.
subset = '10percent_seed0'
