"""The hooks on their own, with stand-ins for the runner where one is enough."""

import logging
import os
from types import SimpleNamespace

import pytest
import torch
from mmaction.registry import HOOKS, METRICS, OPTIM_WRAPPERS
from mmengine.logging import MessageHub
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop
from torch import nn

from helpers.tiny_run import run
from mmssl_video.atomic_files import AtomicLocalBackend, open_atomic, remove_partial, write_atomic
from mmssl_video.engine.hooks.checkpoint import _validation_follows
from mmssl_video.models.recognizers.block_prediction import BlockPrediction


class Log(logging.Handler):
    """A logger that keeps its messages."""

    def __init__(self):
        super().__init__()
        self.messages = []
        self.logger = logging.Logger('hooks')  # noqa: LOG001 (one of its own)
        self.logger.addHandler(self)

    def emit(self, record):
        self.messages.append(f'{record.levelname}: {record.getMessage()}')


@pytest.fixture
def runner(request):
    log = Log()
    dataloader = SimpleNamespace(num_workers=0)
    return SimpleNamespace(
        message_hub=MessageHub(request.node.name),
        logger=log.logger,
        epoch=0,
        messages=log.messages,
        train_dataloader=dataloader,
        cfg=dict(optim_wrapper=dict(optimizer=dict(lr=0.1))),
        hooks=[],
    )


class Loader(list):
    """Stands in for a data loader: its batches."""

    num_workers = 0


def train_epoch(hook, runner, epoch, iterations):
    """One epoch; ``iterations`` are dicts of scalars."""
    runner.epoch = epoch
    workers = runner.train_dataloader.num_workers
    runner.train_dataloader = Loader(iterations)
    runner.train_dataloader.num_workers = workers
    hook.before_train_epoch(runner)
    for index, values in enumerate(iterations):
        for name, value in values.items():
            runner.message_hub.update_scalar(f'train/{name}', value)
        hook.after_train_iter(runner, index)
    hook.after_train_epoch(runner)


def test_data_time_share_and_advice(runner):
    hook = HOOKS.build(dict(type='DataTimeHook', threshold=0.3))
    train_epoch(
        hook, runner, 4, [dict(data_time=9.0, time=10.0)] + [dict(data_time=0.6, time=1.0)] * 4
    )
    share = runner.message_hub.get_scalar('train/data_share')
    assert share.current() == pytest.approx(0.6) and share.data[0][0] == pytest.approx(0.9)
    [message] = runner.messages
    cores = len(os.sched_getaffinity(0))
    assert message == (
        'WARNING: Training waited for data during 60% of epoch 5: raise '
        f'train_dataloader.num_workers (now 0, {cores} CPU cores here).'
    )


def test_data_time_advice_when_all_cores_are_taken(runner):
    runner.train_dataloader.num_workers = len(os.sched_getaffinity(0))
    hook = HOOKS.build(dict(type='DataTimeHook'))
    train_epoch(hook, runner, 0, [dict(data_time=0.6, time=1.0)] * 4)
    assert 'store the videos at a smaller size' in runner.messages[0]


def test_data_time_is_silent_below_the_threshold_and_about_the_start_of_workers(runner):
    hook = HOOKS.build(dict(type='DataTimeHook', threshold=0.3))
    train_epoch(hook, runner, 0, [dict(data_time=99.0, time=100.0), dict(data_time=0.2, time=1.0)])
    train_epoch(hook, runner, 1, [dict(data_time=99.0, time=100.0)])
    assert runner.messages == []


def test_data_time_warnings_are_bounded(runner):
    hook = HOOKS.build(dict(type='DataTimeHook', max_warnings=2))
    for epoch in range(5):
        train_epoch(hook, runner, epoch, [dict(data_time=0.9, time=1.0)] * 3)
    assert len(runner.messages) == 2


@pytest.mark.parametrize('loss', [float('nan'), float('inf')])
def test_a_loss_that_is_not_finite_stops_the_run(runner, loss):
    hook = HOOKS.build(dict(type='TrainingHealthHook'))
    with pytest.raises(RuntimeError, match=f'the loss is {loss} at epoch 3, iteration 2: lower'):
        train_epoch(hook, runner, 2, [dict(loss=1.0), dict(loss=loss)])


def test_an_absurd_loss_is_said_once(runner):
    hook = HOOKS.build(dict(type='TrainingHealthHook'))
    train_epoch(hook, runner, 0, [dict(loss=4.6), dict(loss=40.0)])
    assert not runner.messages and runner.message_hub.get_info('last_healthy_epoch') == 1
    train_epoch(hook, runner, 1, [dict(loss=3e8), dict(loss=4e8)])
    [message] = runner.messages
    assert 'The loss is 3e+08 at epoch 2, iteration 1' in message
    assert 'that of the first iteration (or 1) is 4.6: the run is diverging' in message
    assert runner.message_hub.get_info('last_healthy_epoch') == 1


def test_a_loss_near_zero_at_the_start_is_no_measure(runner):
    hook = HOOKS.build(dict(type='TrainingHealthHook'))
    train_epoch(hook, runner, 0, [dict(loss=-1e-6), dict(loss=-0.9), dict(loss=3.0)])
    assert not runner.messages


def test_a_validation_that_is_no_number_stops_the_run(runner):
    hook = HOOKS.build(dict(type='TrainingHealthHook'))
    hook.after_val_epoch(runner, {'ssl/loss': 3.0})
    with pytest.raises(RuntimeError, match=r'ssl/loss of the validation after epoch 0 is nan: low'):
        hook.after_val_epoch(runner, {'ssl/loss': float('nan')})


def test_collapsed_features_are_warned_of(runner):
    hook = HOOKS.build(dict(type='TrainingHealthHook', max_warnings=1))
    runner.train_dataloader = Loader([0, 0])
    for epoch, spread in enumerate([0.5, 1e-4, 1e-4]):
        runner.epoch = epoch
        for _ in range(2):
            runner.message_hub.update_scalar('train/loss', 1.0)
            runner.message_hub.update_scalar('train/feature_std', spread)
            hook.after_train_iter(runner, 0)
        hook.after_train_epoch(runner)
    [message] = runner.messages
    assert 'features have collapsed' in message and '1.0e-04 in epoch 2' in message


class Predictive(BlockPrediction):
    compute = None  # abstract, and not asked for here

    def __init__(self):
        nn.Module.__init__(self)  # of the recognizer only what the hook asks
        self.pred_steps = 9

    def set_pred_steps(self, steps):
        if steps > 4:
            raise ValueError('too many')
        self.pred_steps = steps


@pytest.mark.parametrize('schedule', [{0: 3, 50: 4}, {'0': 3, '50': 4}, [(50, 4), (0, 3)]])
def test_curriculum_is_a_function_of_the_epoch(runner, schedule):
    hook = HOOKS.build(dict(type='PredictionStepsHook', schedule=schedule))
    runner.model = Predictive()
    runner._train_loop = None
    hook.before_train(runner)
    for epoch, steps in ((0, 3), (49, 3), (50, 4), (51, 4), (0, 3)):
        runner.epoch = epoch
        hook.before_train_epoch(runner)
        assert runner.model.pred_steps == steps
    assert len(runner.messages) == 3, 'one line for each change'


@pytest.mark.parametrize('schedule', [{}, {1: 3}, {0: 'three'}, 3, [0, 3]])
def test_wrong_schedules(schedule):
    with pytest.raises(ValueError, match='PredictionStepsHook must'):
        HOOKS.build(dict(type='PredictionStepsHook', schedule=schedule))


def test_wrong_stage_or_model_fails_before_training(runner):
    hook = HOOKS.build(dict(type='PredictionStepsHook', schedule={0: 3, 90: 5}))
    runner.model = Predictive()
    with pytest.raises(ValueError, match='too many'):
        hook.before_train(runner)
    runner.model = nn.Linear(1, 1)
    with pytest.raises(TypeError, match='cannot be used with Linear'):
        hook.before_train(runner)


def test_validation_without_training_keeps_the_steps_of_the_config(runner):
    hook = HOOKS.build(dict(type='PredictionStepsHook', schedule={0: 3}))
    runner.model, runner._train_loop = Predictive(), dict(max_epochs=3)
    hook.before_val_epoch(runner)
    assert runner.model.pred_steps == 9


@pytest.mark.parametrize(
    ('interval', 'begin', 'dynamic', 'expected'),
    [
        (1, 1, None, [1, 2, 3, 4, 5, 6, 7]),
        (3, 1, None, [3, 6, 7]),
        (2, 4, None, [4, 6, 7]),
        (3, 1, [(4, 1)], [3, 4, 5, 6, 7]),
        (1, 1, [(3, 5)], [1, 5, 7]),
    ],
)
def test_validation_is_foreseen_as_the_loop_does_it(interval, begin, dynamic, expected):
    """Against mmengine's own loop, with empty epochs."""

    class Empty(list):
        dataset = SimpleNamespace(metainfo={})

    foreseen, done = [], []
    runner = SimpleNamespace(
        visualizer=SimpleNamespace(),
        max_epochs=7,
        model=SimpleNamespace(train=lambda: None),
        val_loop=SimpleNamespace(run=lambda: done.append(loop.epoch)),
    )
    loop = EpochBasedTrainLoop(
        runner,
        Empty(),
        max_epochs=7,
        val_begin=begin,
        val_interval=interval,
        dynamic_intervals=dynamic,
    )
    runner.train_loop = loop

    def call_hook(name):
        runner.epoch = loop.epoch
        if name == 'after_train_epoch' and _validation_follows(runner):
            foreseen.append(loop.epoch + 1)

    runner.call_hook = call_hook
    loop.run()
    assert foreseen == done == expected


def test_files_are_written_whole_or_not_at_all(tmp_path):
    backend = AtomicLocalBackend()
    backend.put(b'first', tmp_path / 'new folder' / 'file')
    write_atomic(b'second', tmp_path / 'new folder' / 'file')
    backend.put_text('größer', tmp_path / 'text')
    assert (tmp_path / 'new folder' / 'file').read_bytes() == b'second'
    assert (tmp_path / 'text').read_text(encoding='utf-8') == 'größer'
    assert os.listdir(tmp_path / 'new folder') == ['file']
    with pytest.raises(KeyboardInterrupt), open_atomic(tmp_path / 'text') as file:
        file.write(b'half')
        raise KeyboardInterrupt
    assert (tmp_path / 'text').read_text(encoding='utf-8') == 'größer'
    assert sorted(os.listdir(tmp_path)) == ['new folder', 'text']


def test_two_writers_do_not_mix(tmp_path):
    with open_atomic(tmp_path / 'file') as one, open_atomic(tmp_path / 'file') as two:
        one.write(b'longer')
        two.write(b'short')
    assert (tmp_path / 'file').read_bytes() == b'longer'  # renamed last


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    (tmp_path / 'epoch_3.pth').touch()
    code = (
        'import os, sys\nfrom mmssl_video.atomic_files import open_atomic\n'
        'with open_atomic(sys.argv[1]) as file:\n    os._exit(9)'
    )
    done = run('python', '-c', code, tmp_path / 'epoch_4.pth', cwd=tmp_path)
    assert done.returncode == 9
    (removed,) = remove_partial(tmp_path)
    assert removed.name.startswith('.epoch_4.pth.') and os.listdir(tmp_path) == ['epoch_3.pth']


def test_ssl_metric_averages_over_samples():
    metric = METRICS.build(dict(type='SSLMetric'))
    for stats in (dict(loss=1.0, top1=0.5), dict(loss=3.0, top1=1.0, extra=7.0)):
        metric.process(None, [dict(ssl_stats=stats)])
    assert metric.evaluate(2) == {'ssl/loss': 2.0, 'ssl/top1': 0.75, 'ssl/extra': 7.0}


def test_ssl_metric_counts_no_padded_sample():
    """Samplers repeat samples until all processes have as many: the size says how many are real."""
    metric = METRICS.build(dict(type='SSLMetric'))
    for loss in (1.0, 3.0, 100.0):
        metric.process(None, [dict(ssl_stats=dict(loss=loss))])
    assert metric.evaluate(2) == {'ssl/loss': 2.0}


def test_ssl_metric_with_a_classifier():
    metric = METRICS.build(dict(type='SSLMetric'))
    with pytest.raises(KeyError, match='AccMetric'):
        metric.process(None, [dict(pred_label=1)])


def test_cpu_amp_runs_the_forward_in_bfloat16_and_keeps_float32_weights():
    model = nn.Linear(4, 4)
    before = model.weight.detach().clone()
    wrapper = OPTIM_WRAPPERS.build(
        dict(
            type='CPUAmpOptimWrapper',
            accumulative_counts=2,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        )
    )
    wrapper.initialize_count_status(model, 0, 4)
    for step in range(2):
        with wrapper.optim_context(model):
            output = model(torch.ones(2, 4))
        assert output.dtype is torch.bfloat16
        wrapper.update_params(output.float().mean())
        assert torch.equal(model.weight, before) == (step == 0), 'accumulates two batches'
    assert model.weight.dtype is torch.float32


def test_cpu_model_wrapper_counts_as_one(tmp_path):
    from torch import distributed

    distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/init', rank=0, world_size=1
    )
    try:
        from mmaction.registry import MODEL_WRAPPERS

        model = nn.Sequential(nn.Conv3d(1, 2, 1), nn.SyncBatchNorm(2))
        keys = list(model.state_dict())
        wrapped = MODEL_WRAPPERS.build(
            dict(type='CPUDistributedDataParallel', device_ids=[0], module=model)
        )
        assert is_model_wrapper(wrapped)
        assert not any(isinstance(m, nn.SyncBatchNorm) for m in wrapped.modules())
        assert list(wrapped.module.state_dict()) == keys
        assert wrapped(torch.zeros(2, 1, 2, 2, 2)).shape == (2, 2, 2, 2, 2)
    finally:
        distributed.destroy_process_group()
