# Probes on Kinetics-400: the training list is the gallery, the test list asks the queries. There
# is no pipeline here: an encoder sees the frames, blocks and size it was trained on, by default
# in windows that slide over each video with half overlap.
_data = dict(type='VideoListDataset', test_mode=True, classes='data/kinetics400/classes.txt')
_loader = dict(batch_size=8, num_workers=8)
evaluation = dict(
    dataset='Kinetics-400',
    gallery=dict(
        _loader,
        dataset=dict(
            _data,
            ann_file='data/kinetics400/train.txt',
            data_prefix=dict(video='data/kinetics400/videos_train'),
        ),
    ),
    query=dict(
        _loader,
        dataset=dict(
            _data,
            ann_file='data/kinetics400/val.txt',
            data_prefix=dict(video='data/kinetics400/videos_val'),
        ),
    ),
)
del _data, _loader
