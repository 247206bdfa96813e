# FGKVMemPred on UCF101, 8 GPUs x 8 videos: Table 4, R3D-18, row 3; Tables 1-3, R3D-18.
# Figure 3 and Tables 5, 6 change one key: --cfg-options KEY=VALUE with KEY one of
#   model.predictor.num_slots (N), model.concepts.num_concepts (K),
#   model.losses.alignment.online_temperature (tau_s; tau_t follows),
#   model.losses.reconstruction.weight (alpha), model.losses.alignment.weight (beta),
#   model.predictor.scale (r: 64; 16 as released)
_base_ = [
    '_base_/models/fgkvmem_r3d18.py',
    '_base_/views/two_views_112.py',
    'data/ucf101.py',
    '_base_/schedules/lars_cosine.py',
    '_base_/default_runtime.py',
]
train_dataloader = dict(dataset=_base_.data.train)
val_dataloader = dict(dataset=_base_.data.test)
