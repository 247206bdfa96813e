"""The negative cosine against loops over its predictions."""

import math

import pytest
import torch

from mmssl_video.models.losses import CosinePredictionLoss


def cosine(a, b):
    dot = sum(float(x) * float(y) for x, y in zip(a, b))
    return dot / math.sqrt(sum(float(x) ** 2 for x in a) * sum(float(y) ** 2 for y in b))


def test_vectors():
    torch.manual_seed(0)
    predicted, target = torch.randn(2, 5, 7, dtype=torch.double)
    expected = sum(cosine(a, b) for a, b in zip(predicted, target)) / 5
    loss, stats = CosinePredictionLoss()(predicted, target)
    assert loss.item() == pytest.approx(-expected, rel=1e-12)
    assert stats == {'cosine/predicted': -loss}


def test_maps_have_their_features_along_axis_2():
    torch.manual_seed(0)
    predicted, target = torch.randn(2, 2, 3, 6, 2, 4, dtype=torch.double)
    values = [
        cosine(predicted[b, p, :, i, j], target[b, p, :, i, j])
        for b in range(2)
        for p in range(3)
        for i in range(2)
        for j in range(4)
    ]
    loss, _ = CosinePredictionLoss()(predicted, target)
    assert loss.item() == pytest.approx(-sum(values) / len(values), rel=1e-12)


def test_gradients_by_finite_differences():
    torch.manual_seed(0)
    for shape in ((3, 4), (2, 2, 3, 1, 2)):
        pair = [torch.randn(shape, dtype=torch.double, requires_grad=True) for _ in range(2)]
        assert torch.autograd.gradcheck(lambda a, b: CosinePredictionLoss()(a, b)[0], pair)


def test_lengths_do_not_count():
    predicted, target = torch.randn(2, 5, 7)
    one, two = (CosinePredictionLoss()(predicted * k, target / k)[0] for k in (1.0, 9.0))
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize('shape', [(4,), (2, 3, 4), (2, 3, 4, 5), (1, 2, 3, 4, 5, 6)])
def test_shapes_whose_features_nobody_knows_are_refused(shape):
    with pytest.raises(ValueError, match=r'\[B, D\] or \[B, P, D, h, w\]'):
        CosinePredictionLoss()(torch.zeros(shape), torch.zeros(shape))
