# Probes on the demo videos: the training list is the gallery, the test list asks the queries. There
# is no pipeline here: an encoder sees the frames, blocks and size it was trained on, by default in
# windows that slide over each video with half overlap.
_data = dict(type='VideoListDataset', test_mode=True)
_loader = dict(batch_size=8, num_workers=2)
evaluation = dict(
    dataset='demo videos',
    gallery=dict(
        _loader,
        dataset=dict(
            _data, ann_file='data/demo/train.txt', data_prefix=dict(video='data/demo/videos')
        ),
    ),
    query=dict(
        _loader,
        dataset=dict(
            _data, ann_file='data/demo/test.txt', data_prefix=dict(video='data/demo/videos')
        ),
    ),
)
del _data, _loader
