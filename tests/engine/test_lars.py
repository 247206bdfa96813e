"""LARS and the half-cosine with warm-up: against plain code, in groups, resumed."""

import math

import pytest
import torch
from mmaction.registry import OPTIMIZERS, PARAM_SCHEDULERS
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn

from mmssl_video.engine.optimizers import LARS
from mmssl_video.engine.schedulers.warmup_cosine import warmup_cosine


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)).double()


def gradients(model, step):
    generator = torch.Generator().manual_seed(step)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=torch.double)


@pytest.mark.parametrize('nesterov', [False, True])
def test_steps_equal_plain_code(nesterov):
    rate, momentum, decay, trust, eps = 0.7, 0.9, 0.01, 0.02, 1e-8
    model = network()
    optimizer = LARS(
        model.parameters(),
        lr=rate,
        momentum=momentum,
        weight_decay=decay,
        trust_coefficient=trust,
        nesterov=nesterov,
    )
    weights = [p.detach().clone() for p in model.parameters()]
    velocity = [torch.zeros_like(w) for w in weights]
    for step in range(4):
        gradients(model, step)
        slopes = [p.grad.clone() for p in model.parameters()]
        optimizer.step()
        for i, slope in enumerate(slopes):
            if weights[i].ndim > 1:  # matrices: decay and scaling; biases and norms: neither
                size = math.sqrt(float((weights[i] ** 2).sum()))
                steep = math.sqrt(float((slope**2).sum()))
                slope = trust * size / (steep + decay * size + eps) * (slope + decay * weights[i])
            velocity[i] = slope if step == 0 else momentum * velocity[i] + slope
            update = slope + momentum * velocity[i] if nesterov else velocity[i]
            weights[i] = weights[i] - rate * update
        for got, expected in zip(model.parameters(), weights):
            torch.testing.assert_close(got.detach(), expected)


def test_step_is_the_same_for_any_scale_of_the_loss():
    steps = []
    for scale in (1.0, 1000.0):
        model = network()
        optimizer = LARS(model.parameters(), lr=1.0, momentum=0.0)
        gradients(model, 0)
        model[0].weight.grad *= scale
        before = model[0].weight.detach().clone()
        optimizer.step()
        steps.append(model[0].weight.detach() - before)
    torch.testing.assert_close(*steps)
    assert steps[0].norm() == pytest.approx(1e-3 * float(before.norm()), rel=1e-6)


def test_zero_weights_and_gradients():
    model = network()
    nn.init.zeros_(model[0].weight)
    optimizer = LARS(model.parameters(), lr=0.1, weight_decay=0.1)
    gradients(model, 0)
    model[2].weight.grad.zero_()
    slope, kept = model[0].weight.grad.clone(), model[2].weight.detach().clone()
    optimizer.step()
    torch.testing.assert_close(model[0].weight.detach(), -0.1 * slope)
    assert torch.isfinite(model[2].weight).all()
    torch.testing.assert_close(model[2].weight.detach(), kept - 0.1 * 0.1 * kept)


def test_groups_keep_their_settings():
    """Learning rates of groups and parameters without gradient, by mmengine's paramwise_cfg."""
    model = network()
    init_default_scope('mmaction')  # as a run does
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            optimizer=dict(type='LARS', lr=1.0, momentum=0.0, weight_decay=0.1),
            paramwise_cfg=dict(custom_keys={'0.weight': dict(lr_mult=0.5, decay_mult=0.0)}),
        ),
    )
    gradients(model, 0)
    model[2].weight.grad = None
    sizes = {i: float(model[i].weight.detach().norm()) for i in (0, 2)}
    before = {i: model[i].weight.detach().clone() for i in (0, 2)}
    wrapper.optimizer.step()
    assert (model[0].weight - before[0]).norm().item() == pytest.approx(0.5e-3 * sizes[0])
    assert torch.equal(model[2].weight, before[2])
    assert {group['weight_decay'] for group in wrapper.param_groups} == {0.0, 0.1}, 'put back'


def test_resumed_optimizer_goes_on_bit_by_bit():
    straight, first = network(), network()
    one = LARS(straight.parameters(), lr=0.5, weight_decay=0.01, nesterov=True)
    two = LARS(first.parameters(), lr=0.5, weight_decay=0.01, nesterov=True)
    for step in range(3):
        for model, optimizer in ((straight, one), (first, two)):
            gradients(model, step)
            optimizer.step()
    second = network(1)
    second.load_state_dict(first.state_dict())
    resumed = LARS(second.parameters(), lr=9.0, weight_decay=0.5)
    resumed.load_state_dict(two.state_dict())
    for model, optimizer in ((straight, one), (second, resumed)):
        gradients(model, 3)
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), second.parameters()))


def test_closure_and_wrong_settings():
    model = network()
    optimizer = OPTIMIZERS.build(dict(type='LARS', params=model.parameters(), lr=0.1))

    def closure():
        optimizer.zero_grad()
        loss = model(torch.ones(3, 5, dtype=torch.double)).sum()
        loss.backward()
        return loss

    expected = network()(torch.ones(3, 5, dtype=torch.double)).sum().item()
    assert optimizer.step(closure).item() == pytest.approx(expected)
    with pytest.raises(ValueError, match='trust_coefficient'):
        LARS(model.parameters(), lr=0.1, trust_coefficient=0)
    with pytest.raises(ValueError):
        LARS(model.parameters(), lr=-1)


# -- the schedule -------------------------------------------------------------------------------
def rates(steps, **settings):
    """Rates as a run sees them, and the scheduler's state after each step."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    kwargs = dict(dict(type='WarmupCosineLR', end=10, by_epoch=True), **settings)
    if kwargs.pop('convert', False):
        kind = PARAM_SCHEDULERS.get(kwargs.pop('type'))
        scheduler = kind.build_iter_from_epoch(optimizer, **kwargs)
    else:
        scheduler = PARAM_SCHEDULERS.build(kwargs, default_args=dict(optimizer=optimizer))
    found, states = [], []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
        states.append(scheduler.state_dict())
    return found, states, scheduler, optimizer


def test_half_cosine_without_warm_up():
    found, *_ = rates(10)
    assert found == pytest.approx([1 + math.cos(math.pi * i / 10) for i in range(10)])


def test_warm_up_joins_the_cosine_from_below():
    found, *_ = rates(10, warmup=4, start_lr=0.1)
    joint = 1 + math.cos(math.pi * 0.4)
    assert found[:4] == pytest.approx([0.1 + (joint - 0.1) * i / 4 for i in range(4)])
    assert found[4:] == pytest.approx([1 + math.cos(math.pi * i / 10) for i in range(4, 10)])


def test_counted_in_iterations():
    found, *_ = rates(30, convert=True, epoch_length=3, warmup=2)
    expected = [warmup_cosine(i / 3, 10, 2, 2.0, 1e-3) for i in range(30)]
    assert found == pytest.approx(expected)


def test_end_rate_and_resume():
    found, states, *_ = rates(10, warmup=2, end_lr=0.25)
    assert found[-1] > 0.25
    _, _, scheduler, optimizer = rates(0, warmup=2, end_lr=0.25)
    scheduler.load_state_dict(states[5])
    optimizer.param_groups[0]['lr'] = found[6]
    again = []
    for _ in range(4):
        again.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    assert again == found[6:]


@pytest.mark.parametrize(
    'settings, words',
    [
        (dict(warmup=10), 'warmup=10'),
        (dict(warmup=-1), 'warmup=-1'),
        (dict(type='WarmupCosineLR', end=10**9), 'needs total'),
    ],
)
def test_wrong_schedules(settings, words):
    with pytest.raises(ValueError, match=words):
        rates(1, **settings)
