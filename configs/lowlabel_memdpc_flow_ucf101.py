# Few labels on flow: MemDPC section 5.5, Figure 5, right. Other shares, and from scratch: the keys
# of lowlabel_memdpc_ucf101.py.
_base_ = 'finetune_memdpc_flow_ucf101.py'

train_dataloader = dict(dataset=dict(ann_file='data/ucf101/train_split1_10percent_seed0.txt'))
