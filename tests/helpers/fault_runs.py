"""Small runs of every method, for faults: kills, two processes against one.

The models are those of the contract test, the pipelines the least that each needs.
"""

from __future__ import annotations

from pathlib import Path

from .minimal_parts import METHODS
from .tiny_run import make_config

HOOKS = """
custom_imports = dict(imports=['mmssl_video', 'helpers.kill_hook'], allow_failed_imports=False)
custom_hooks = [*_base_.custom_hooks, dict(type='KillHook'), dict(type='DumpStateHook'){hooks}]
"""
# Two clips of a video; SSTL's are marked with their time and their rate.
CLIPS = """
train_dataloader = dict(train_dataloader, dataset=dict(train_dataloader['dataset'], pipeline=[
    dict(type='VideoInit'),
    dict(type='SampleWindow', num_frames={frames}, stride=1, mode='random'{windows}),
    *{steps},
    dict(type='DecodeFrames'),
    dict(type='PerClip', transforms=[
        dict(type='RandomResizedCrop', area_range=(0.5, 1.0)),
        dict(type='Resize', scale=(32, 32), keep_ratio=False)]),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys={meta_keys})]))
val_dataloader = val_cfg = val_evaluator = None
"""
MODEL = """
model = dict(**{model!r}, losses={losses!r}, data_preprocessor=dict(
    type='ActionDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
    format_shape='NCTHW'))
"""
SCHEDULE = """
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs={epochs})
optim_wrapper = dict(type='OptimWrapper', accumulative_counts={accumulate},
                     optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type='CosineAnnealingLR', eta_min=0., by_epoch=True,
                        convert_to_iter_based=True)]
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2), logger=dict(interval=1))
"""
_SSTL = [
    dict(type='RepeatClips'),
    dict(type='PlaybackRateDistortion', max_dropped=2),
    dict(type='TemporalRandomDropout', num_dropped=2),
    dict(type='TemporalRandomCrop', num_frames=8),
]
#: What each method's samples are made by.
SAMPLES = dict(
    BYOL=dict(frames=8, windows=', num_windows=2', steps=[], meta_keys=()),
    SSTL=dict(
        frames=12,
        windows='',
        steps=_SSTL,
        meta_keys=('sample_idx', 'temporal_position', 'playback_rate'),
    ),
)
#: Losses that see all processes.
GATHERED = dict(
    BYOL=dict(
        reconstruction=dict(type='ConceptReconstructionLoss', weight=0.1),
        alignment=dict(type='ConceptAlignmentLoss', weight=0.1),
    ),
    DensePredictiveCoding=dict(prediction=dict(type='DenseInfoNCELoss', gather=True)),
    SSTL=dict(clip=dict(num_negatives=4)),
)


def write_config(
    folder: Path,
    method: str,
    epochs: int = 3,
    accumulate: int = 1,
    storage: str = 'buffer',
    num_train: int = 8,
    batch_size: int = 2,
    hooks: str = '',
    **model: object,
) -> Path:
    """Write videos and a config.

    Args:
        folder: Where to.
        method: Of :data:`helpers.minimal_parts.METHODS`.
        epochs, accumulate, num_train, batch_size: Of the training.
        storage: Of the memory bank of a method that has one.
        hooks: Further hooks, as the text of items of a list.
        **model: Further settings of the model.
    """
    settings = {**METHODS[method], **model}
    if 'bank' in settings:
        settings['bank'] = {**settings['bank'], 'storage': storage}
    parts = [HOOKS.format(hooks=hooks)]
    if method in SAMPLES:
        parts.append(CLIPS.format(**SAMPLES[method]))
    parts += [
        MODEL.format(model=settings, losses=GATHERED[method]),
        SCHEDULE.format(epochs=epochs, accumulate=accumulate),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    return make_config(
        folder, num_train=num_train, num_val=2, batch_size=batch_size, extra=''.join(parts)
    )
