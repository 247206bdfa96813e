"""The temporal memory bank in a run: kills and resumes, lists that changed, files that go."""

import signal

import pytest
import torch

from helpers.tiny_run import assert_same_weights, last_line, make_config, run_stages

EXTRA = """
custom_imports = dict(imports=['mmssl_video', 'helpers.kill_hook'], allow_failed_imports=False)
custom_hooks = [*_base_.custom_hooks, dict(type='KillHook')]
model = dict(
    type='SSTL',
    backbone=dict(type='VideoResNet', depth=10, base_channels=4, stem_pool=True),
    projector=dict(type='ProjectionMLP', in_channels=32, hidden_channels=16, out_channels=8),
    bank=dict(type='TemporalMemoryBank', dim=8, storage={storage!r}),
    rate_head=dict(type='PlaybackRateHead', in_features=32, hidden_channels=8),
    losses=dict(clip=dict(num_negatives=6)))
train_dataloader = dict(train_dataloader, batch_size=2, dataset=dict(
    train_dataloader['dataset'], pipeline=[
        dict(type='VideoInit'),
        dict(type='SampleWindow', num_frames=12, stride=1, mode='random'),
        dict(type='RepeatClips'),
        dict(type='PlaybackRateDistortion', max_dropped=2),
        dict(type='TemporalRandomDropout', num_dropped=2),
        dict(type='TemporalRandomCrop', num_frames=8),
        dict(type='DecodeFrames'),
        dict(type='PerClip', transforms=[
            dict(type='RandomResizedCrop', area_range=(0.5, 1.0)),
            dict(type='Resize', scale=(32, 32), keep_ratio=False)]),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs', meta_keys=(
            {meta_keys}))]))
val_dataloader = val_cfg = val_evaluator = None
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4)
optim_wrapper = dict(type='OptimWrapper', accumulative_counts={accumulate},
                     optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
param_scheduler = [dict(type='CosineAnnealingLR', eta_min=0., by_epoch=True,
                        convert_to_iter_based=True)]
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2))
"""


def write_config(
    folder,
    storage='buffer',
    accumulate=1,
    meta_keys="'sample_idx', 'temporal_position', 'playback_rate'",
):
    folder.mkdir(exist_ok=True)
    return str(
        make_config(
            folder,
            num_train=8,
            num_val=1,
            extra=EXTRA.format(storage=storage, accumulate=accumulate, meta_keys=meta_keys),
        )
    )


@pytest.fixture(scope='module', params=['buffer', 'mapped'])
def runs(tmp_path_factory, request):
    """An uninterrupted run, one that was killed and resumed."""
    folder = tmp_path_factory.mktemp(request.param)
    config = write_config(folder, request.param, accumulate=2)
    kills = dict(mapped=['train:1:2', 'write:epoch_4.pth', ''], buffer=['train:3:1', ''])[
        request.param
    ]
    stages = [dict(args=[config, '--work-dir', 'straight'], env={}, log='straight.log')]
    for number, moment in enumerate(kills):
        args = [config, '--work-dir', 'killed', *(['--resume'] if number else [])]
        stages.append(dict(args=args, env=dict(MMSSL_TEST_KILL=moment), log=f'killed{number}.log'))
    codes = run_stages(stages, folder)
    assert codes == [0, *[-signal.SIGKILL] * (len(kills) - 1), 0], (codes, folder)
    return folder, request.param


def test_killed_and_resumed_run_is_bit_identical(runs):
    folder, storage = runs
    assert_same_weights(folder / 'straight' / 'epoch_4.pth', folder / 'killed' / 'epoch_4.pth')
    one, two = (
        torch.load(folder / name / 'epoch_4.pth', weights_only=True)
        for name in ('straight', 'killed')
    )
    banks = [each['temporal_memory_bank'] for each in (one, two)]
    assert banks[0]['num_updates'] == 4 * 4 / 2  # 4 epochs of 4 batches, two a step
    assert torch.equal(banks[0].pop('filled'), banks[1].pop('filled'))
    if storage == 'buffer':
        cells = [bank.pop('cells') for bank in banks]
        assert torch.equal(*cells) and cells[0].any()
    else:
        data = [
            (folder / name / bank['file']).read_bytes()
            for name, bank in zip(('straight', 'killed'), banks)
        ]
        assert data[0] == data[1] and any(data[0]) and len(data[0]) == 8 * 2 * 8 * 4
    assert banks[0] == banks[1]
    assert one['param_schedulers'] == two['param_schedulers']
    for key, state in one['optimizer']['state'].items():
        assert torch.equal(
            state['momentum_buffer'], two['optimizer']['state'][key]['momentum_buffer']
        )


def test_weights_can_be_read_without_the_bank(runs):
    weights = torch.load(runs[0] / 'straight' / 'epoch_4.pth', weights_only=True)['state_dict']
    assert {key.split('.')[0] for key in weights} == {'backbone', 'projector', 'rate_head'}


def test_banks_go_with_the_checkpoints_that_name_them(runs):
    folder, storage = runs
    for name in ('straight', 'killed'):
        work_dir = folder / name
        files = sorted(path.name for path in work_dir.glob('temporal_memory_bank*'))
        expected = (
            []
            if storage == 'buffer'
            else [f'temporal_memory_bank_{epoch * 4}.bin' for epoch in (3, 4)]
        )
        assert sorted(files, key=len) == expected
        assert len(list(work_dir.glob('epoch_*.pth'))) == 2


def test_a_changed_list_is_refused_and_weights_still_load(runs, tmp_path):
    folder, _storage = runs
    config = folder / 'tiny.py'
    lines = (folder / 'train.txt').read_text().splitlines()
    (folder / 'swapped.txt').write_text('\n'.join([lines[1], lines[0], *lines[2:]]))
    (folder / 'shorter.txt').write_text('\n'.join(lines[:-1]))
    (folder / 'relabelled.txt').write_text('\n'.join(line[:-1] + '5' for line in lines))
    checkpoint = str(folder / 'straight' / 'epoch_3.pth')
    stages = []
    for name in ('swapped', 'shorter', 'relabelled', 'fresh'):
        list_name = 'shorter' if name == 'fresh' else name
        option = f'train_dataloader.dataset.ann_file={folder}/{list_name}.txt'
        resume = (
            ['--cfg-options', f'load_from={checkpoint}', 'train_cfg.max_epochs=1', option]
            if name == 'fresh'
            else ['--resume', checkpoint, '--cfg-options', option]
        )
        stages.append(
            dict(
                args=[str(config), '--work-dir', str(tmp_path / name), *resume],
                env={},
                log=str(tmp_path / f'{name}.log'),
            )
        )
    codes = run_stages(stages, folder)
    logs = [
        (tmp_path / f'{name}.log').read_text()
        for name in ('swapped', 'shorter', 'relabelled', 'fresh')
    ]
    assert codes == [1, 1, 0, 0], logs
    for log, text in zip(
        logs,
        (
            'has changed since the temporal memory bank was saved',
            'num_videos=8 but the run num_videos=7: the list of training',
        ),
    ):
        assert text in last_line(log) and last_line(log).startswith('error: ')
        assert 'Traceback' not in log


def test_errors_before_training(tmp_path):
    configs = [
        write_config(tmp_path / 'a', meta_keys="'temporal_position', 'playback_rate'"),
        write_config(tmp_path / 'b'),
    ]
    runs = [
        (
            [configs[0]],
            'SSTL reads sample_idx of every sample, which the pipeline does not pass on',
        ),
        (
            [configs[1], '--cfg-options', 'train_dataloader.dataset.pipeline.1.num_frames=11'],
            'the e extra frames of the clip are 1 too few for what is dropped',
        ),
        (
            [configs[1], '--cfg-options', "custom_hooks=[dict(type='SampleSeedHook')]"],
            "would never happen: add dict(type='MethodHook') to custom_hooks",
        ),
    ]
    stages = [
        dict(
            args=[*args, '--work-dir', str(tmp_path / f'w{i}')],
            env={},
            log=str(tmp_path / f'{i}.log'),
        )
        for i, (args, _) in enumerate(runs)
    ]
    assert run_stages(stages, tmp_path) == [1, 1, 1]
    for i, (_, text) in enumerate(runs):
        log = (tmp_path / f'{i}.log').read_text()
        assert text in last_line(log) and last_line(log).startswith('error: ')
        assert 'Traceback' not in log
