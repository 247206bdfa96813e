# Few labels: MemDPC fine-tuned on a tenth of the labels of the demo videos (MemDPC section 5.5).
#   python tools/data/make_subsets.py data/demo/train.txt
#   python tools/train.py configs/lowlabel_memdpc_demo.py --pretrained CKPT
# Other shares by one key: --cfg-options train_dataloader.dataset.ann_file=
#   data/demo/train_20percent_seed0.txt (or _50percent; all: train.txt)
# From scratch, for comparison: no --pretrained, but
#   --cfg-options load_from=None classification.protocol=scratch
_base_ = 'finetune_memdpc_demo.py'

train_dataloader = dict(dataset=dict(ann_file='data/demo/train_10percent_seed0.txt'))
