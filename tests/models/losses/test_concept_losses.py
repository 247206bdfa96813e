"""FGKVMemPred's Eq. (6) to (8) against loops over clips and concepts, and their gradients."""

import math

import pytest
import torch

from mmssl_video.models.losses import ConceptAlignmentLoss, ConceptReconstructionLoss


def softmax(values):
    largest = max(values)
    powers = [math.exp(value - largest) for value in values]
    return [power / sum(powers) for power in powers]


def distance(rebuilt, features, kind):
    rebuilt, features = rebuilt.tolist(), features.tolist()
    if kind == 'l2':
        return sum((a - b) ** 2 for a, b in zip(rebuilt, features))
    dot = sum(a * b for a, b in zip(rebuilt, features))
    return 1 - dot / math.sqrt(sum(a * a for a in rebuilt) * sum(b * b for b in features))


@pytest.mark.parametrize('kind', ['l2', 'cosine'])
@pytest.mark.parametrize('average', ['batch', 'elements'])
def test_reconstruction(kind, average):
    torch.manual_seed(0)
    rebuilt, features = torch.randn(2, 2, 4, 6, dtype=torch.double)
    shares = (0.3, 0.7)
    means = []
    for encoder in (0, 1):
        rows = [distance(*row, kind) for row in zip(rebuilt[encoder], features[encoder])]
        means.append(sum(rows) / 4 / (6 if average == 'elements' else 1))
    loss, stats = ConceptReconstructionLoss(distance=kind, average=average, shares=shares)(
        rebuilt, features
    )
    assert loss.item() == pytest.approx(shares[0] * means[0] + shares[1] * means[1], rel=1e-12)
    assert stats['concepts/recon_online'].item() == pytest.approx(means[0], rel=1e-12)
    assert stats['concepts/recon_target'].item() == pytest.approx(means[1], rel=1e-12)


@pytest.mark.parametrize('centring, sign', [('subtract', -1), ('add', 1)])
def test_alignment(centring, sign):
    torch.manual_seed(0)
    given, wanted = torch.randn(2, 4, 6, dtype=torch.double)
    centre = torch.randn(6, dtype=torch.double)
    total, mean = 0.0, [0.0] * 6
    for row, goal in zip(given.tolist(), wanted.tolist()):
        probability = softmax([value / 0.3 for value in row])
        shifted = softmax([(value + sign * c) / 0.2 for value, c in zip(goal, centre.tolist())])
        total -= sum(p * math.log(q) for p, q in zip(shifted, probability)) / 4
        mean = [m + p / 4 for m, p in zip(mean, probability)]
    loss, stats = ConceptAlignmentLoss(
        online_temperature=0.3, target_temperature=0.2, centring=centring
    )(given, wanted, centre=centre)
    assert loss.item() == pytest.approx(total, rel=1e-12)
    entropy = -sum(m * math.log(m) for m in mean) / math.log(6)
    assert stats['concepts/entropy'].item() == pytest.approx(entropy, rel=1e-12)


def test_without_a_centre_nothing_is_shifted():
    given, wanted = torch.randn(2, 4, 6)
    one, two = (
        ConceptAlignmentLoss()(given, wanted, centre=centre)[0] for centre in (None, torch.zeros(6))
    )
    assert torch.equal(one, two)


@pytest.mark.parametrize(
    'loss, shape', [(ConceptReconstructionLoss(), (2, 3, 4)), (ConceptAlignmentLoss(), (3, 4))]
)
def test_goals_get_no_gradient_and_predictions_the_right_one(loss, shape):
    torch.manual_seed(0)
    predicted, target = (torch.randn(shape, dtype=torch.double, requires_grad=True) for _ in 'ab')
    loss(predicted, target)[0].backward()
    assert target.grad is None
    assert torch.autograd.gradcheck(lambda x: loss(x, target)[0], predicted)
