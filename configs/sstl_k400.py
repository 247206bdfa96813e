# SSTL on Kinetics-400: SSTL Tables 1 to 3; Table 4, last row; one key gives more rows:
#   Table 4, row 6 (no speed prediction)      model.losses.rate=None
#   other cells a video, and update rules     model.bank.num_cells, .strategy, .neighbour_rule
_base_ = [
    '_base_/models/sstl_r3d18.py',
    '_base_/views/temporal_views_112.py',
    'data/k400.py',
    '_base_/schedules/sgd_cosine.py',
    '_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.train)
# 240,000 videos x 2 x 512 halves: 469 MiB, mapped from a file beside the checkpoints
model = dict(bank=dict(dtype='float16'))
