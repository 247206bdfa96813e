# Probes on the demo videos: the training list is the gallery, the test list asks the queries.
# Windows slide over each video with half overlap; the whole centre square is seen.
_loader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(
        type='VideoListDataset',
        data_prefix=dict(video='data/demo/videos'),
        test_mode=True,
        pipeline=[
            dict(type='VideoInit'),
            dict(type='SampleWindow', num_frames=40, stride=3, mode='sliding', short='loop'),
            dict(type='DecodeFrames'),
            dict(type='Resize', scale=(-1, 64)),
            dict(type='CenterCrop', crop_size=64),
            dict(type='SplitBlocks', num_blocks=8),
            dict(type='FormatShape', input_format='NCTHW'),
            dict(type='PackActionInputs'),
        ]))
evaluation = dict(
    dataset='demo videos',
    gallery=dict(_loader, dataset=dict(_loader['dataset'], ann_file='data/demo/train.txt')),
    query=dict(_loader, dataset=dict(_loader['dataset'], ann_file='data/demo/test.txt')))
del _loader
