# UCF101, split 1, with its classes.
_base_ = 'labelled_blocks_128.py'

_data = dict(data_prefix=dict(video='data/ucf101/videos'), classes='data/ucf101/classes.txt')
train_dataloader = dict(dataset=dict(ann_file='data/ucf101/train_split1.txt', **_data))
val_dataloader = dict(dataset=dict(ann_file='data/ucf101/test_split1.txt', **_data))
test_dataloader = dict(dataset=dict(ann_file='data/ucf101/test_split1.txt', **_data))
del _data
