"""Grids of heads: each as if alone, honest selection, diverging heads, probabilities by label."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmssl_video.evaluation import get_protocol
from mmssl_video.evaluation import probe_grid as module
from mmssl_video.evaluation.probe_grid import Head, train_heads

grid, mlp = get_protocol('linear/cached-grid'), get_protocol('mlp/cached')
QUICK = dict(epochs=30, min_steps=100, batch_size=32)


def clusters(count, spread, seed, classes=4, width=10):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(classes, width))
    labels = np.arange(count) % classes
    return centres[labels] + spread * rng.normal(size=(count, width)), labels


def torch_twin(inputs, targets, head, optimizer, epochs, batch_size, seed):
    """One head with torch's own layers, optimiser and scheduler, fed with the same batches."""
    generator = torch.Generator().manual_seed(seed)
    width, classes = inputs.shape[1], int(targets.max()) + 1
    sizes = (
        [(width, head.hidden_channels), (head.hidden_channels, classes)]
        if (head.hidden_channels)
        else [(width, classes)]
    )
    layers = [nn.Linear(*size) for size in sizes]
    with torch.no_grad():
        for layer, (fan_in, fan_out) in zip(layers, sizes):
            bound = fan_in**-0.5 if head.hidden_channels else 0.0
            layer.weight.copy_(
                torch.empty(fan_in, fan_out).uniform_(-bound, bound, generator=generator).T
            )
            layer.bias.zero_()
    model = nn.Sequential(*[part for layer in layers for part in (layer, nn.ReLU())][:-1])
    parameters = [
        dict(params=[layer.weight for layer in layers], weight_decay=head.weight_decay),
        dict(params=[layer.bias for layer in layers], weight_decay=0.0),
    ]
    settings = dict(sgd=(torch.optim.SGD, dict(momentum=0.9)), adamw=(torch.optim.AdamW, {}))
    kind, options = settings[optimizer]
    optimizer = kind(parameters, lr=head.learning_rate, **options)
    steps = epochs * math.ceil(len(inputs) / batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    order = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs), generator=order).split(batch_size):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs[batch]), targets[batch]).backward()
            optimizer.step()
            schedule.step()
    return model


@pytest.mark.parametrize('optimizer', ['sgd', 'adamw'])
def test_every_head_is_what_torch_makes_of_it_alone(optimizer):
    features, labels = clusters(50, 1.0, 1)
    inputs, targets = torch.tensor(features, dtype=torch.float32), torch.tensor(labels)
    heads = [
        Head(rate, decay, width)
        for width in (0, 7)
        for rate in (0.003, 0.03)
        for decay in (0.0, 0.1)
    ]
    groups = train_heads(
        inputs, targets, 4, heads, optimizer=optimizer, epochs=4, min_steps=0, batch_size=16, seed=3
    )
    found = [logits for group in groups for logits in group(inputs)]
    assert len(found) == 8
    for head, logits in zip(heads, found):
        expected = torch_twin(inputs, targets, head, optimizer, 4, 16, 3)(inputs)
        assert torch.allclose(logits, expected, atol=2e-5), head


def test_dropout_gives_the_same_head_alone_and_in_company():
    features, labels = clusters(50, 1.0, 1)
    inputs, targets = torch.tensor(features, dtype=torch.float32), torch.tensor(labels)
    heads = [Head(0.01, 0.0, 8), Head(0.1, 0.0, 8), Head(0.01, 0.0, 5)]
    recipe = dict(dropout=0.5, epochs=3, min_steps=0, batch_size=16)
    [[first, _], [third]] = [
        group(inputs) for group in train_heads(inputs, targets, 4, heads, **recipe)
    ]
    for head, logits in ((heads[0], first), (heads[2], third)):
        [group] = train_heads(inputs, targets, 4, [head], **recipe)
        assert torch.allclose(group(inputs)[0], logits, atol=1e-5)
    [group] = train_heads(inputs, targets, 4, heads[:1], **dict(recipe, dropout=0.0))
    assert not torch.allclose(group(inputs)[0], first, atol=1e-2)


def test_a_diverging_head_is_counted_not_chosen_and_harms_no_other():
    arrays = (*clusters(80, 1.0, 1), *clusters(40, 1.0, 2))
    good = grid(*arrays, learning_rates=[0.03], weight_decays=[1.0], **QUICK)
    mixed = grid(*arrays, learning_rates=[0.03, 1e10], weight_decays=[1.0], **QUICK)
    assert mixed.details['diverged'] == 1 and mixed.details['num_heads'] == 2
    assert mixed.metrics == good.metrics and mixed.details['learning_rate'] == 0.03
    with pytest.raises(ValueError, match='all 1 heads diverged: give smaller learning_rates'):
        grid(*arrays, learning_rates=[1e10], weight_decays=[1.0], **QUICK)


@pytest.mark.parametrize('probe', [grid, mlp])
def test_the_test_set_is_for_the_figure_alone(probe, monkeypatch):
    trained = []
    original = module.train_heads

    def spy(inputs, targets, classes, heads, **recipe):
        groups = original(inputs, targets, classes, heads, **recipe)
        trained.append((len(inputs), [p.detach().clone() for g in groups for p in g.parameters]))
        return groups

    monkeypatch.setattr(module, 'train_heads', spy)
    gallery, query = clusters(60, 1.0, 1), clusters(30, 1.0, 2)
    runs = [
        probe(*gallery, query[0] * scale + shift, (query[1] + turn) % 4, **QUICK)
        for scale, shift, turn in ((1, 0, 0), (50, 7, 1))
    ]
    # Chosen on 48 of the 60 training videos, then trained on all of them.
    assert [count for count, _ in trained] == [48, 60, 48, 60]
    for (_, first), (_, second) in zip(trained[:2], trained[2:]):
        assert all(torch.equal(a, b) for a, b in zip(first, second))
    assert runs[0].details == runs[1].details
    assert runs[0].metrics['top1'] > runs[1].metrics['top1']
    assert probe(*gallery, *query, **QUICK) == runs[0]  # seeds fix everything


def test_validation_chooses():
    """Many noisy dimensions, few videos: strong decay wins, as on held-out videos it should."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    features = rng.normal(size=(60, 300)) + 0.25 * (2 * labels - 1)[:, None]
    query_labels = np.arange(200) % 2
    query = rng.normal(size=(200, 300)) + 0.25 * (2 * query_labels - 1)[:, None]
    found = grid(features, labels, query, query_labels, validations=5, **QUICK)
    assert found.details['validation_top1'] >= 90 and found.metrics['top1'] >= 90
    right = [
        found.details['validation_top1']
        >= grid(
            features,
            labels,
            query,
            query_labels,
            validations=5,
            learning_rates=[rate],
            weight_decays=[0.0],
            **QUICK,
        ).details['validation_top1']
        for rate in module.SGD_RATES
    ]
    assert all(right)


def test_the_grid_agrees_with_the_convex_probe_and_the_mlp_solves_what_no_line_can():
    gallery, query = clusters(400, 1.5, 1), clusters(400, 1.5, 2)
    convex = get_protocol('linear/cached')(*gallery, *query).metrics['top1']
    assert abs(grid(*gallery, *query, **QUICK).metrics['top1'] - convex) < 4
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (600, 2))
    xor = (points[:, 0] * points[:, 1] > 0).astype(int)
    parts = (points[:300], xor[:300], points[300:], xor[300:])
    assert grid(*parts, **QUICK).metrics['top1'] < 70
    assert mlp(*parts, min_steps=500).metrics['top1'] > 90


@pytest.mark.parametrize('probe', [grid, mlp])
def test_perfect_constant_and_missing_labels(probe):
    labels = np.arange(48) % 8
    perfect = np.eye(8)[labels]
    found = probe(perfect, labels, perfect, labels, **QUICK)
    assert found.metrics == dict(top1=100, top5=100)
    constant = np.full((48, 6), 0.3)
    assert probe(constant, labels, constant, labels, **QUICK).metrics['top1'] == 12.5
    gaps = np.array([1, 4])[np.arange(20) % 2]  # columns are labels, not places among classes
    two = np.eye(2)[np.arange(20) % 2]
    shares = probe(two, gaps, two, gaps, **QUICK).probabilities
    assert shares.shape == (20, 5) and np.allclose(shares.sum(1), 1)
    assert (shares.argmax(1) == gaps).all() and not shares[:, [0, 2, 3]].any()


@pytest.mark.parametrize(
    'probe, options, words',
    [
        (grid, dict(learning_rates=()), 'learning_rates must be a list'),
        (grid, dict(learning_rates=(0.0,)), 'learning_rates must be a number greater than 0'),
        (grid, dict(optimizer='lars'), "optimizer must be 'sgd' or 'adamw'"),
        (grid, dict(epochs=0), 'epochs must be a whole number greater than 0'),
        (grid, dict(folds=1), 'folds >= 2'),
        (mlp, dict(hidden_channels=(0,)), 'hidden_channels must be a whole number'),
        (mlp, dict(dropout=1.0), 'dropout must lie in'),
    ],
)
def test_options_are_checked(probe, options, words):
    with pytest.raises(ValueError, match=words):
        probe(*clusters(20, 1.0, 1), *clusters(20, 1.0, 1), **options)
