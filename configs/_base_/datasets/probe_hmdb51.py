# Probes on HMDB51: the training list is the gallery, the test list asks the queries. Split 1;
# tools/test_splits.py averages over all three. There is no pipeline here: an encoder sees the
# frames, blocks and size it was trained on, by default in windows that slide over each video with
# half overlap.
_data = dict(type='VideoListDataset', test_mode=True, classes='data/hmdb51/classes.txt')
_loader = dict(batch_size=8, num_workers=8)
evaluation = dict(
    dataset='HMDB51',
    gallery=dict(
        _loader,
        dataset=dict(
            _data,
            ann_file='data/hmdb51/train_split1.txt',
            data_prefix=dict(video='data/hmdb51/videos'),
        ),
    ),
    query=dict(
        _loader,
        dataset=dict(
            _data,
            ann_file='data/hmdb51/test_split1.txt',
            data_prefix=dict(video='data/hmdb51/videos'),
        ),
    ),
)
del _data, _loader
