# Data efficiency: MemDPC fine-tuned on a tenth of the labels of UCF101 (MemDPC Figure 5). The lists
# come from tools/data/make_subsets.py; any other share is one key of any of these configs:
#   --cfg-options train_dataloader.dataset.ann_file=data/ucf101/train_split1_50percent_seed0.txt
# From scratch, for comparison: the same key with scratch_memdpc_ucf101.py.
_base_ = 'finetune_memdpc_ucf101.py'

train_dataloader = dict(dataset=dict(ann_file='data/ucf101/train_split1_10percent_seed0.txt'))
