# UCF101, split 1; its test list is the held-out set of the pretext task.
_base_ = 'blocks_128.py'

train_dataloader = dict(
    dataset=dict(
        ann_file='data/ucf101/train_split1.txt', data_prefix=dict(video='data/ucf101/videos')
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='data/ucf101/test_split1.txt', data_prefix=dict(video='data/ucf101/videos')
    )
)
