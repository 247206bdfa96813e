# Probes on UCF101: the training list is the gallery, the test list asks the queries. Split 1;
# tools/test_splits.py averages over all three. There is no pipeline here: an encoder sees the
# frames, blocks and size it was trained on, by default in windows that slide over each video with
# half overlap.
_data = dict(type='VideoListDataset', test_mode=True, classes='data/ucf101/classes.txt')
_loader = dict(batch_size=8, num_workers=8)
evaluation = dict(
    dataset='UCF101',
    gallery=dict(
        _loader,
        dataset=dict(
            _data,
            ann_file='data/ucf101/train_split1.txt',
            data_prefix=dict(video='data/ucf101/videos'),
        ),
    ),
    query=dict(
        _loader,
        dataset=dict(
            _data,
            ann_file='data/ucf101/test_split1.txt',
            data_prefix=dict(video='data/ucf101/videos'),
        ),
    ),
)
del _data, _loader
