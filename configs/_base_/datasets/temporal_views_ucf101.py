# Temporally augmented views of UCF101, split 1.
_base_ = 'temporal_views_112.py'

train_dataloader = dict(
    dataset=dict(
        ann_file='data/ucf101/train_split1.txt', data_prefix=dict(video='data/ucf101/videos')
    )
)
