# Surprise on demo videos whose motion breaks, see oops_linear_demo.py.
_base_ = 'oops_surprise.py'

surprise = dict(
    dataset='demo videos with failures',
    num_workers=2,
    videos=dict(
        ann_file='data/demo_failures/test.txt', data_prefix=dict(video='data/demo_failures/videos')
    ),
)
