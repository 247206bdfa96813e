# As finetune_memdpc.py, tested as the released code does, only to repeat its figures: test frames are
# not normalised and colours jitter at random; windows advance by 59 frames
# and need 120 each.
#   mmssl test finetune_memdpc_releasedtest --data ucf101 CKPT
_base_ = 'finetune_memdpc.py'

model = dict(data_preprocessor=dict(normalize_test=False))
test_dataloader = dict(
    dataset=dict(
        pipeline=dict(
            sample=dict(step_frames=59, start_range='released'),
            jitter=dict(
                _delete_=True,
                type='VideoColorJitter',
                brightness=0.2,
                contrast=0.2,
                saturation=0.2,
                hue=0.1,
                p=0.3,
                consistent='clip',
            ),
        )
    )
)
