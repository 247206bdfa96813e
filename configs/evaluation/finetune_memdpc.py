# MemDPC, fine-tuned on UCF101 or HMDB51: MemDPC Table 1, column ft, and Table 2; on flow (--flow):
# Table 1, rows D and E2; Table 2.
#   mmssl train finetune_memdpc --data ucf101 --pretrained CKPT
# Fused with RGB (rows D2, E3): mmssl fuse on what mmssl test --dump writes of both.
_base_ = [
    '../_base_/models/memdpc_classifier.py',
    '../_base_/views/labelled_blocks_128.py',
    '../_base_/schedules/finetune_memdpc.py',
    '../_base_/default_runtime.py',
]
classification = dict(protocol='finetune')
load_from = 'required'

# Without a checkpoint: the narrow network of memdpc_demo.py.
per_data = dict(
    demo=dict(
        model=dict(backbone=dict(base_channels=16), neck=dict(in_channels=64, hidden_channels=256)),
        train_cfg=dict(max_epochs=12),
        param_scheduler=[
            dict(
                type='ReduceOnPlateauLR',
                monitor='acc/loss',
                rule='less',
                factor=0.1,
                patience=3,
                min_value=1e-4,
            )
        ],
    )
)
