"""Training with a target encoder: accumulation, processes, kills, and every mix of parts."""

import signal
import textwrap
from types import SimpleNamespace

import pytest
import torch
from mmaction.registry import HOOKS
from mmengine.runner.base_loop import BaseLoop

from helpers.configs import load
from helpers.tiny_run import assert_same_weights, make_config, run_stages, run_workers, scalars
from mmssl_video.models.recognizers.self_supervised import SelfSupervisedRecognizer
from mmssl_video.models.target_encoder import MomentumTarget
from mmssl_video.settings.checks import check_config

# One training run in float64 with batch norm frozen: WORKER FOLDER NAME RANK WORLD PARTS, where
# PARTS is into how many accumulated pieces each process cuts its share of 8 pairs.
WORKER = textwrap.dedent("""
    import sys
    import torch
    import torch.distributed as dist
    import mmssl_video
    from mmaction.registry import HOOKS, MODELS
    from mmengine.model import MMDistributedDataParallel
    from mmengine.optim import OptimWrapper
    from mmssl_video.engine.optimizers import LARS
    from mmengine.runner.base_loop import BaseLoop
    from types import SimpleNamespace

    class Loop(BaseLoop):
        def run(self):
            pass

    folder, name = sys.argv[1:3]
    rank, world, parts = map(int, sys.argv[3:6])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='BYOL', backbone=dict(type='VideoResNet', base_channels=4, last_stage='dilated'),
        projector=dict(type='ProjectionMLP', in_channels=32, hidden_channels=9, out_channels=6),
        predictor=dict(type='KeyValueMemory', in_channels=6, out_channels=6, num_slots=8),
        concepts=dict(type='ConceptDictionaries', in_channels=6, feature_channels=32,
                      num_concepts=10),
        losses=dict(alignment=dict(weight=1.)), base_momentum=0.6)).double()
    optimizer = OptimWrapper(LARS(model.parameters(), lr=0.5, weight_decay=1e-3),
                             accumulative_counts=parts)
    if world > 1:
        dist.init_process_group('gloo', init_method=f'file://{folder}/rendezvous', rank=rank,
                                world_size=world)
        model = MMDistributedDataParallel(model)
    bare = getattr(model, 'module', model)
    hook = HOOKS.build(dict(type='MethodHook'))
    runner = SimpleNamespace(model=model, optim_wrapper=optimizer, iter=0, max_iters=3 * parts,
                             hooks=[hook], seed=0, work_dir='.', _train_loop=BaseLoop.__new__(Loop),
                             train_dataloader=range(3 * parts))
    hook.before_train(runner)
    for step in range(3):
        generator = torch.Generator().manual_seed(step)
        pairs = torch.randn(8, 2, 3, 8, 16, 16, generator=generator, dtype=torch.double)
        for piece in pairs[rank::world].chunk(parts):
            model.train()
            for module in model.modules():
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    module.eval()
            with optimizer.optim_context(model):
                loss, _ = bare.parse_losses(model(piece.contiguous(), None, mode='loss'))
            optimizer.update_params(loss)
            hook.after_train_iter(runner, 0)
            runner.iter += 1
    torch.save(bare.state_dict(), f'{folder}/{name}_{rank}.pt')
""")


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('equal')
    script = folder / 'worker.py'
    script.write_text(WORKER)
    runs = [('whole', 0, 1, 1), ('pieces', 0, 1, 2), ('two', 0, 2, 1), ('two', 1, 2, 1)]
    run_workers(script, [(folder, *run) for run in runs], folder)
    return {
        f'{name}{rank}': torch.load(folder / f'{name}_{rank}.pt', weights_only=True)
        for name, rank, *_ in runs
    }


def differences(one, two):
    assert one.keys() == two.keys()
    return [
        name
        for name in one
        if not torch.allclose(one[name].double(), two[name].double(), rtol=1e-6, atol=1e-9)
    ]


def test_training_moves_everything(trained):
    """Or the two tests below would compare what stands still."""
    whole = trained['whole0']
    assert all(value.abs().max() < 1e3 for value in whole.values())
    assert whole['concepts.centre'].abs().max() > 1e-4
    online, target = whole['projector.mlp.0.weight'], whole['target_projector.mlp.0.weight']
    assert (online - target).abs().max() > 1e-4


@pytest.mark.parametrize('name', ['two0', 'two1'])
def test_two_processes_equal_one(trained, name):
    assert not differences(trained[name], trained['whole0'])


def test_accumulated_halves_equal_the_whole(trained):
    """Weights, target encoder and centre."""
    assert not differences(trained['pieces0'], trained['whole0'])


# -- the hook -----------------------------------------------------------------------------------
class Recorder(MomentumTarget, SelfSupervisedRecognizer):
    """Stands for a model: notes the momenta of its updates."""

    base_momentum = 0.9

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.momenta = []

    def update_target(self, momentum):
        self.momenta.append(momentum)

    def compute(self, inputs, data_samples=None):
        raise AssertionError('nothing is computed here')

    extract_feat = compute


class Loop(BaseLoop):
    """Stands for a training loop."""

    def __init__(self):
        self.dataloader = None

    def run(self):
        raise AssertionError('nothing is run here')


def stand_in(model, hooks, **attributes):
    """What the hook reads of a runner."""
    return SimpleNamespace(
        model=model, hooks=hooks, seed=0, work_dir='.', _train_loop=Loop(), **attributes
    )


def drive(iterations, counts, start=0, total=8, names=('MethodHook',)):
    model, hooks = Recorder(), [HOOKS.build(dict(type=name)) for name in names]
    wrapper = SimpleNamespace(_accumulative_counts=counts)
    runner = stand_in(
        model,
        hooks,
        optim_wrapper=wrapper,
        iter=start,
        max_iters=total,
        train_dataloader=range(total),
    )
    for hook in hooks:
        hook.before_train(runner)
    for _ in range(iterations):
        wrapper.should_update = lambda: (runner.iter + 1) % counts == 0
        for hook in hooks:
            hook.after_train_iter(runner, 0)
        runner.iter += 1
    return model


def test_target_starts_as_a_copy_and_moves_once_per_optimizer_step():
    model = drive(8, 1)
    assert model.momenta[0] == 0 and len(model.momenta) == 9
    assert model.momenta[1] == pytest.approx(0.9)
    assert model.momenta[1:] == sorted(model.momenta[1:]) and model.momenta[-1] < 1
    assert len(drive(8, 4).momenta) == 3


def test_a_resumed_run_does_not_start_again():
    straight, resumed = drive(8, 1), drive(3, 1, start=5)
    assert resumed.momenta == straight.momenta[-3:]
    assert resumed.momentum == straight.momenta[5], 'what is logged before its first update'


def test_other_models_are_left_alone():
    model, hook = torch.nn.Linear(1, 1), HOOKS.build(dict(type='MethodHook'))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    wrapper = SimpleNamespace(should_update=lambda: True)
    runner = stand_in(model, [hook], optim_wrapper=wrapper, iter=0, max_iters=1)
    checkpoint = dict(meta=dict(iter=1))
    hook.before_train(runner)
    hook.after_train_iter(runner, 0)
    hook.before_save_checkpoint(runner, checkpoint)
    hook.after_train(runner)
    assert checkpoint == dict(meta=dict(iter=1))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize('old', ['MomentumUpdateHook', 'MemoryBankHook'])
def test_hooks_of_older_configs_are_other_names_of_it(old):
    """Alone it acts; beside the hook of today's base config nothing happens twice."""
    expected = drive(8, 1).momenta
    assert drive(8, 1, names=(old,)).momenta == expected
    assert drive(8, 1, names=('MethodHook', old)).momenta == expected


# -- whole runs with the real tool --------------------------------------------------------------
# The part of a tiny run's config that two views and a given pre-training config change.
EXTRA = """
custom_imports = dict(imports=['mmssl_video', 'helpers.kill_hook'], allow_failed_imports=False)
custom_hooks = [*_base_.custom_hooks, dict(type='KillHook')]
for _loader in (train_dataloader, val_dataloader):
    _loader['dataset']['pipeline'] = [
        dict(type='VideoInit'),
        dict(type='SampleWindow', num_frames=8, num_windows=2, stride=1, min_gap=2),
        dict(type='DecodeFrames'),
        dict(type='PerClip', transforms=[
            dict(type='RandomResizedCrop', area_range=(0.5, 1.0)),
            dict(type='Resize', scale=(32, 32), keep_ratio=False),
            dict(type='VideoGaussianBlur')]),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs')]
del _loader
model = dict(
    type='BYOL', backbone=dict(type='VideoResNet', base_channels=4, last_stage='dilated',
                               norm_cfg=dict(type='SyncBN')),
    projector=dict(type='ProjectionMLP', in_channels=32, hidden_channels=12, out_channels=8),
    predictor=dict(type='KeyValueMemory', in_channels=8, out_channels=8, num_slots=16),
    concepts=dict(type='ConceptDictionaries', in_channels=8, feature_channels=32,
                  num_concepts=16),
    data_preprocessor=dict(type='ActionDataPreprocessor', mean=[114.75] * 3, std=[57.375] * 3,
                           format_shape='NCTHW'))
train_cfg.update(max_epochs=3)
optim_wrapper = dict(type='OptimWrapper', accumulative_counts=2, optimizer=dict(
    type='LARS', lr=1.2, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type='WarmupCosineLR', warmup=1, convert_to_iter_based=True)]
"""


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """A straight run, one killed twice, a two-view run of each mix, and their exit codes."""
    folder = tmp_path_factory.mktemp('byol')
    config = str(make_config(folder, num_train=16, extra=EXTRA))
    kills = ['train:1:2', 'write:epoch_2.pth', '']
    stages = [dict(args=[config, '--work-dir', 'straight'], env={}, log='straight.log')]
    for number, moment in enumerate(kills):
        args = [config, '--work-dir', 'killed', *(['--resume'] if number else [])]
        stages.append(dict(args=args, env=dict(MMSSL_TEST_KILL=moment), log=f'killed{number}.log'))
    data = [
        f'{loader}.dataset.{key}'
        for loader in ('train_dataloader', 'val_dataloader')
        for key in (
            f'ann_file={folder / loader.split("_")[0]}.txt',
            f'data_prefix.video={folder / "videos"}',
        )
    ]
    small = [
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
        'train_dataloader.batch_size=4',
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
        'model.backbone.base_channels=4',
        'val_dataloader.batch_size=4',
    ]
    for name, changes in MIXES.items():
        stages.append(
            dict(
                args=[
                    name,
                    '--work-dir',
                    name,
                    '--cfg-options',
                    *data,
                    *small,
                    *changes,
                ],
                env={},
                log=f'{name}.log',
            )
        )
    codes = run_stages(stages, folder)
    return folder, dict(zip(['straight', *kills, *MIXES], codes))


_NARROW = ['model.projector.in_channels=32']
MIXES = {
    'byol_demo': _NARROW,
    'kvmem_demo': _NARROW,
    'fgkvmem_demo': [*_NARROW, 'model.concepts.feature_channels=32'],
    'mix_byol_cmem_demo': _NARROW,
    'mix_dpc_kvmem_demo': ['model.neck.in_channels=16', 'model.predictor.out_channels=16'],
}


def test_each_run_ends_as_meant(runs):
    folder, codes = runs
    for name, code in codes.items():
        expected = -signal.SIGKILL if name[:5] in ('train', 'write') else 0
        assert code == expected, (
            f'{name!r} ended with {code}',
            (folder / f'{name}.log').read_text()[-1500:]
            if (folder / f'{name}.log').exists()
            else '',
        )


def test_killed_and_resumed_run_is_bit_identical(runs):
    """Both encoders, centre, memory and the state of the optimizer."""
    folder, _ = runs
    assert_same_weights(folder / 'straight' / 'epoch_3.pth', folder / 'killed' / 'epoch_3.pth')
    one, two = (
        torch.load(folder / name / 'epoch_3.pth', weights_only=True)
        for name in ('straight', 'killed')
    )
    assert any('target_backbone' in key for key in one['state_dict'])
    assert one['state_dict']['concepts.centre'].abs().sum() > 0
    for key, state in one['optimizer']['state'].items():
        assert torch.equal(
            state['momentum_buffer'], two['optimizer']['state'][key]['momentum_buffer']
        )
    assert one['param_schedulers'] == two['param_schedulers']
    assert 'resumed epoch: 1' in (folder / 'killed1.log').read_text()


@pytest.mark.parametrize('name', list(MIXES))
def test_every_mix_trains_and_is_watched(runs, name):
    folder, _ = runs
    lines = scalars(folder / name)
    [train] = [line for line in lines if 'lr' in line]
    assert {'loss', 'feature_std'} <= set(train)
    assert ('memory/usage_entropy' in train) == (name != 'byol_demo')
    assert ('concepts/centre_norm' in train) == (name == 'fgkvmem_demo')
    assert ('momentum' in train) == ('dpc' not in name)
    assert any('ssl/loss' in line for line in lines)
    weights = torch.load(folder / name / 'epoch_1.pth', weights_only=True)['state_dict']
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_learning_rate_warms_up_and_falls(runs):
    folder, _ = runs
    rates = [line['lr'] for line in scalars(folder / 'straight') if 'lr' in line]
    assert len(rates) == 3 and 0 < rates[2] < rates[1] < 1.2


# -- settings -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    'change, words',
    [
        ({'train_dataloader.dataset.pipeline.sample.num_windows': 1}, 'gives 1 clip of a video'),
        ({'val_dataloader.dataset.pipeline.sample.num_windows': 3}, 'gives 3 clips of a video'),
        (
            {
                'train_dataloader.dataset.pipeline.sample.mode': 'sliding',
                'train_dataloader.dataset.pipeline.sample.num_windows': 1,
            },
            'a varying number',
        ),
        (
            {'train_dataloader.dataset.pipeline.sample.mode': 'sliding'},
            "mode='sliding' decides the number of windows itself",
        ),
        ({'train_dataloader.batch_size': 1}, 'batch_size must be at least 2'),
    ],
)
def test_one_view_or_one_video_are_refused_before_training(change, words):
    cfg = load('fgkvmem_demo')
    check_config(cfg)
    cfg.merge_from_dict(change)
    with pytest.raises(ValueError, match=words):
        check_config(cfg)


def test_a_target_that_nothing_moves_is_refused():
    cfg = load('byol_demo')
    cfg.custom_hooks = [hook for hook in cfg.custom_hooks if hook.type != 'MethodHook']
    with pytest.raises(ValueError, match=r"add dict\(type='MethodHook'\) to custom_hooks"):
        check_config(cfg)


def test_repeated_clips_are_views():
    cfg = load('sstl_demo')
    check_config(cfg)
    pipeline = cfg.train_dataloader.dataset.pipeline
    repeat = pipeline.pop('repeat')
    with pytest.raises(ValueError, match='1 clip of a video, and SSTL compares 2: set Repeat'):
        check_config(cfg)
    cfg = load('byol_demo')
    cfg.train_dataloader.dataset.pipeline.sample.num_windows = 1
    cfg.train_dataloader.dataset.pipeline.rate = repeat  # a free place after the sampler
    check_config(cfg)
