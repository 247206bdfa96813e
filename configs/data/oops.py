# Oops (mmssl prepare oops SRC data/oops): videos with the time of a failure, for the
# unintentional_* protocols; a pre-training takes all of its videos, without these times.
_videos = dict(data_prefix=dict(video='data/oops/videos'))
data = dict(
    key='oops',
    name='Oops',
    train=dict(type='VideoListDataset', ann_file='data/oops/pretrain.txt', **_videos),
    labelled=dict(type='OopsDataset', ann_file='data/oops/train.txt', **_videos),
    test=dict(type='OopsDataset', ann_file='data/oops/val.txt', **_videos),
)
del _videos
