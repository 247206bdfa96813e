"""Many heads trained in one pass over cached features: ``linear/cached-grid``, ``mlp/cached``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..results.protocol_output import ProtocolOutput
from .class_scores import Standardise, classification_output, validation_splits
from .registry import register_protocol

#: What ``linear/cached-grid`` tries: every pair of the two.
SGD_RATES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
SGD_DECAYS = (0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0)
#: What ``mlp/cached`` tries, for each width of the hidden layer.
ADAMW_RATES = (1e-3, 3e-3)
ADAMW_DECAYS = (1e-2, 1.0)


@dataclass(frozen=True)
class Head:
    """Settings of one head.

    Args:
        learning_rate: At the start; it falls to 0 along a half cosine.
        weight_decay: Of the weights, not of the biases. SGD: added to the gradient; AdamW:
            decoupled.
        hidden_channels: Width of the hidden layer (ReLU, dropout); 0: a linear head.
    """

    learning_rate: float
    weight_decay: float
    hidden_channels: int = 0


@register_protocol('linear/cached-grid', version=1)
def linear_cached_grid(
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    query: np.ndarray,
    query_labels: np.ndarray,
    *,
    learning_rates: Sequence[float] = SGD_RATES,
    weight_decays: Sequence[float] = SGD_DECAYS,
    optimizer: str = 'sgd',
    epochs: int = 100,
    min_steps: int = 1000,
    batch_size: int = 256,
    folds: int = 5,
    validations: int = 1,
    seed: int = 0,
    device: str = 'cpu',
) -> ProtocolOutput:
    """Linear heads by stochastic gradient, one for each learning rate x weight decay.

    As papers train their probes (SGD with momentum 0.9 and a half-cosine learning rate), but on
    features extracted once. All heads see the same batches and are trained side by side, one
    ``einsum`` a step. The best is chosen on a stratified split of the *training* set and trained
    again on all of it; the test set gives the final figure alone. Features of both sets are
    standardised with the statistics of what is trained on.

    Args:
        gallery: Features of the training videos, ``[G, D]``.
        gallery_labels: Their classes, ``[G]``.
        query: Features of the test videos, ``[Q, D]``.
        query_labels: Their classes, ``[Q]``.
        learning_rates, weight_decays: Candidates.
        optimizer: ``'sgd'`` (momentum 0.9) or ``'adamw'``.
        epochs: Passes over the training set.
        min_steps: A small set is passed over more often, for at least so many steps.
        batch_size: Videos of a step.
        folds, validations: See :func:`.linear.linear_cached`.
        seed: Seed of the split, of the order of videos, and of hidden layers and their dropout.
        device: Where to compute; single precision.

    Returns:
        ``top1`` and, for more than five classes, ``top5`` in percent; ``details`` names the chosen
        settings, their validation accuracy and how many heads diverged.
    """
    heads = [Head(*pair) for pair in itertools.product(learning_rates, weight_decays)]
    recipe = dict(
        optimizer=optimizer,
        epochs=epochs,
        min_steps=min_steps,
        batch_size=batch_size,
        seed=seed,
        device=device,
    )
    return _probe(gallery, gallery_labels, query, query_labels, heads, folds, validations, recipe)


@register_protocol('mlp/cached', version=1)
def mlp_cached(
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    query: np.ndarray,
    query_labels: np.ndarray,
    *,
    hidden_channels: Sequence[int] = (128, 512),
    learning_rates: Sequence[float] = ADAMW_RATES,
    weight_decays: Sequence[float] = ADAMW_DECAYS,
    dropout: float = 0.5,
    optimizer: str = 'adamw',
    epochs: int = 50,
    min_steps: int = 500,
    batch_size: int = 256,
    folds: int = 5,
    validations: int = 1,
    seed: int = 0,
    device: str = 'cpu',
) -> ProtocolOutput:
    """Non-linear probe: heads of one hidden layer, for each width x learning rate x weight decay.

    MemDPC section 4 ("non-linear probing"; it says no more of the head than that it is an MLP).
    Training, choice, arguments, returns: see :func:`linear_cached_grid`.

    Args:
        hidden_channels: Widths of the hidden layer to try.
        dropout: After the hidden layer.
    """
    heads = [
        Head(rate, decay, width)
        for width, rate, decay in itertools.product(hidden_channels, learning_rates, weight_decays)
    ]
    if any(head.hidden_channels < 1 for head in heads):
        raise ValueError(f'hidden_channels must be widths of at least 1, got {hidden_channels}')
    recipe = dict(
        optimizer=optimizer,
        epochs=epochs,
        min_steps=min_steps,
        batch_size=batch_size,
        dropout=dropout,
        seed=seed,
        device=device,
    )
    return _probe(gallery, gallery_labels, query, query_labels, heads, folds, validations, recipe)


def train_heads(
    inputs: Tensor,
    targets: Tensor,
    num_classes: int,
    heads: Sequence[Head],
    *,
    optimizer: str = 'sgd',
    epochs: int = 100,
    min_steps: int = 1000,
    batch_size: int = 256,
    dropout: float = 0.0,
    seed: int = 0,
) -> list[_HeadGroup]:
    """Train heads side by side; each becomes what it would become alone.

    Args:
        inputs: Standardised features, ``[G, D]`` float32.
        targets: Class indices, ``[G]``.
        num_classes: Classes K.
        heads: Settings; heads of one width form a group.
        optimizer, epochs, min_steps, batch_size, dropout, seed: See :func:`linear_cached_grid`.

    Returns:
        Groups, in the order in which widths appear; a group called on ``[B, D]`` gives logits
        ``[heads, B, K]``.
    """
    widths = list(dict.fromkeys(head.hidden_channels for head in heads))
    groups = [
        _HeadGroup(
            [h for h in heads if h.hidden_channels == width],
            inputs.shape[1],
            num_classes,
            optimizer,
            dropout,
            seed,
            inputs.device,
        )
        for width in widths
    ]
    steps = max(epochs * math.ceil(len(inputs) / batch_size), min_steps)
    generator = torch.Generator().manual_seed(seed)
    order: Iterator[Tensor] = iter(())
    for step in range(steps):
        batch = next(order, None)
        if batch is None:
            order = iter(torch.randperm(len(inputs), generator=generator).split(batch_size))
            batch = next(order)
        batch = batch.to(inputs.device)
        factor = 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in groups:
            group.step(inputs[batch], targets[batch], factor)
    return groups


class _HeadGroup:
    """Heads of one width: their parameters, one more dimension in front, and their optimiser."""

    def __init__(self, heads, in_channels, num_classes, optimizer, dropout, seed, device):
        self.heads, self.optimizer, self.dropout = heads, optimizer, dropout
        width = heads[0].hidden_channels
        # Of its own, so that a head becomes the same whatever stands beside it.
        self.generator = torch.Generator().manual_seed(seed)
        sizes = (
            [(in_channels, width), (width, num_classes)] if width else [(in_channels, num_classes)]
        )
        self.parameters = []
        for fan_in, fan_out in sizes:
            # A linear head starts at 0 (its problem is convex), an MLP as torch's layers do.
            bound = fan_in**-0.5 if width else 0.0
            weight = torch.empty(fan_in, fan_out).uniform_(-bound, bound, generator=self.generator)
            for value in (weight, torch.zeros(1, fan_out)):
                value = value.to(device).repeat(len(heads), 1, 1)
                self.parameters.append(value.requires_grad_())
        self.rate, self.decay = (
            torch.tensor([getattr(h, name) for h in heads], device=device).view(-1, 1, 1)
            for name in ('learning_rate', 'weight_decay')
        )
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.parameters]
        self.steps = 0

    def __call__(self, inputs: Tensor, training: bool = False) -> Tensor:
        weight, bias = self.parameters[:2]
        out = torch.einsum('bd,hdk->hbk', inputs, weight) + bias
        if len(self.parameters) == 4:
            out = F.relu(out)
            if training and self.dropout:
                kept = torch.rand(out.shape[1:], generator=self.generator) >= self.dropout
                out = out * (kept.to(out) / (1 - self.dropout))
            out = torch.einsum('hbm,hmk->hbk', out, self.parameters[2]) + self.parameters[3]
        return out

    def step(self, inputs: Tensor, targets: Tensor, factor: float) -> None:
        """One step of every head on one batch, at ``factor`` times its learning rate."""
        loss = _cross_entropy(self(inputs, training=True), targets).mean(1).sum()
        gradients = torch.autograd.grad(loss, self.parameters)
        self.steps += 1
        with torch.no_grad():
            for i, (value, gradient) in enumerate(zip(self.parameters, gradients)):
                decay = self.decay if i % 2 == 0 else 0.0  # not of biases
                first, second = self.moments[i]
                rate = factor * self.rate
                if self.optimizer == 'sgd':
                    first.mul_(0.9).add_(gradient + decay * value)
                    value -= rate * first
                else:
                    first.lerp_(gradient, 0.1)
                    second.lerp_(gradient.square(), 0.001)
                    value *= 1 - rate * decay
                    value -= (
                        rate
                        * (first / (1 - 0.9**self.steps))
                        / ((second / (1 - 0.999**self.steps)).sqrt() + 1e-8)
                    )


@torch.no_grad()
def _evaluate(groups, inputs, targets, batch_size=4096):
    """Right answers and summed cross-entropy of every head, ``[heads]`` each.

    A head that diverged has cross-entropy infinity.
    """
    right, loss = [], []
    for group in groups:
        hits = torch.zeros((), dtype=torch.int64, device=inputs.device)
        total = torch.zeros((), dtype=torch.float64, device=inputs.device)
        for rows, truth in zip(inputs.split(batch_size), targets.split(batch_size)):
            logits = group(rows)
            hits = hits + (logits.argmax(2) == truth).sum(1)
            total = total + _cross_entropy(logits, truth).double().sum(1)
        broken = ~torch.isfinite(total)
        right.append(hits.masked_fill(broken, 0))
        loss.append(total.masked_fill(broken, math.inf))
    return torch.cat(right).cpu().numpy(), torch.cat(loss).cpu().numpy()


def _cross_entropy(logits, targets):
    """``[heads, B, K]`` to ``[heads, B]``."""
    heads = len(logits)
    return F.cross_entropy(logits.flatten(0, 1), targets.repeat(heads), reduction='none').view(
        heads, -1
    )


def _probe(gallery, gallery_labels, query, query_labels, heads, folds, validations, recipe):
    """Choose a head on splits of the training set, train it again, judge it on the test set."""
    _check(heads, recipe)
    device = recipe.pop('device')
    classes, targets = np.unique(gallery_labels, return_inverse=True)
    truth = torch.as_tensor(targets, device=device)
    heads = [
        head
        for width in dict.fromkeys(h.hidden_channels for h in heads)
        for head in heads
        if head.hidden_channels == width
    ]  # as groups order them
    right, loss, count = np.zeros(len(heads)), np.zeros(len(heads)), 0
    for held_out in validation_splits(targets, folds, validations, recipe['seed']):
        fitted, judged = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        scale = Standardise(gallery[fitted], torch.float32, device)
        groups = train_heads(scale(gallery[fitted]), truth[fitted], len(classes), heads, **recipe)
        sums = _evaluate(groups, scale(gallery[judged]), truth[judged])
        right, loss, count = right + sums[0], loss + sums[1], count + len(judged)
    diverged = int((~np.isfinite(loss)).sum())
    if diverged == len(heads):
        raise ValueError(f'all {diverged} heads diverged: give smaller learning_rates')
    best = min(range(len(heads)), key=lambda i: (np.isinf(loss[i]), -right[i], loss[i]))

    scale = Standardise(gallery, torch.float32, device)
    inputs = scale(gallery)
    [group] = train_heads(inputs, truth, len(classes), [heads[best]], **recipe)
    with torch.no_grad():
        logits = group(scale(query))[0].double().cpu().numpy()
    if not np.isfinite(logits).all():
        raise ValueError(
            f'the chosen head {heads[best]} diverged on the whole training set: give '
            'smaller learning_rates'
        )
    hits, _ = _evaluate([group], inputs, truth)
    return classification_output(
        logits,
        classes,
        query_labels,
        dict(
            asdict(heads[best]),
            validation_top1=float(100 * right[best] / count),
            train_top1=float(100 * hits[0] / len(targets)),
            num_heads=len(heads),
            diverged=diverged,
        ),
    )


def _check(heads, recipe):
    if not heads:
        raise ValueError('the grid is empty: learning_rates and weight_decays need a value each')
    if recipe['optimizer'] not in ('sgd', 'adamw'):
        raise ValueError(f"optimizer must be 'sgd' or 'adamw', got {recipe['optimizer']!r}")
    for head in heads:
        if not head.learning_rate > 0 or not head.weight_decay >= 0:
            raise ValueError(
                'learning_rates must be positive and weight_decays at least 0, got '
                f'{head.learning_rate} and {head.weight_decay}'
            )
    for name in ('epochs', 'batch_size'):
        if recipe[name] < 1:
            raise ValueError(f'{name} must be at least 1, got {recipe[name]}')
    if not 0 <= recipe.get('dropout', 0) < 1:
        raise ValueError(f'dropout must lie in [0, 1), got {recipe["dropout"]}')
