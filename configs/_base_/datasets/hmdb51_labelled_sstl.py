# HMDB51, split 1, with its classes.
_base_ = 'labelled_sstl_112.py'

_data = dict(data_prefix=dict(video='data/hmdb51/videos'), classes='data/hmdb51/classes.txt')
train_dataloader = dict(dataset=dict(ann_file='data/hmdb51/train_split1.txt', **_data))
val_dataloader = dict(dataset=dict(ann_file='data/hmdb51/test_split1.txt', **_data))
test_dataloader = dict(dataset=dict(ann_file='data/hmdb51/test_split1.txt', **_data))
del _data
