"""Predictors: one interface, and the properties of a convex combination."""

import pytest
import torch

from mmssl_video.models.heads import CompressiveMemory, MLPPredictor


@pytest.mark.parametrize('predictor', [MLPPredictor(6, 4), CompressiveMemory(6, 4, num_slots=9)])
def test_maps_and_vectors_are_treated_alike(predictor):
    context = torch.randn(2, 6, 3, 5)
    on_map = predictor(context)
    assert on_map.shape == (2, 4, 3, 5)
    for row in range(3):
        for column in range(5):
            torch.testing.assert_close(
                on_map[..., row, column], predictor(context[..., row, column])
            )


def test_memory_reads_a_convex_combination():
    memory = CompressiveMemory(6, 4, num_slots=9, init_gain=3.0)
    context = torch.randn(50, 6)
    probability = memory.address(context)
    torch.testing.assert_close(probability.sum(-1), torch.ones(50))
    torch.testing.assert_close(
        memory(context), torch.einsum('bk,kc->bc', probability, memory.memory)
    )
    out = memory(context)
    assert (out <= memory.memory.max(0).values + 1e-6).all()
    assert (out >= memory.memory.min(0).values - 1e-6).all()


def test_usage_is_reported():
    memory = CompressiveMemory(6, 4, num_slots=8, usage_momentum=0.0)
    with torch.no_grad():
        for parameter in memory.mlp.parameters():
            parameter.zero_()
    memory(torch.randn(10, 6))
    stats = memory.statistics()
    assert stats['memory/usage_entropy'].item() == pytest.approx(1, abs=1e-5)
    assert stats['memory/dead_slots'] == 0
    with torch.no_grad():
        memory.mlp[2].bias[3] = 50  # all probability on one slot
    memory(torch.randn(10, 6))
    stats = memory.statistics()
    assert stats['memory/usage_entropy'].item() == pytest.approx(0, abs=1e-5)
    assert stats['memory/dead_slots'].item() == pytest.approx(7 / 8)
    assert not any('usage' in key for key in memory.state_dict())
    assert memory.eval().statistics() == {}


def test_usage_is_a_running_mean_that_starts_at_the_first_batch():
    memory = CompressiveMemory(6, 4, num_slots=8, usage_momentum=0.9, init_gain=3.0)
    first, second = torch.randn(10, 6), torch.randn(10, 6)
    expected = memory.address(first).mean(0)
    torch.testing.assert_close(memory.usage.mean, expected.detach())
    expected = 0.9 * expected + 0.1 * memory.address(second).mean(0)
    torch.testing.assert_close(memory.usage.mean, expected.detach())
    memory.eval().address(first)
    torch.testing.assert_close(memory.usage.mean, expected.detach())


def test_too_few_slots():
    with pytest.raises(ValueError, match='num_slots'):
        CompressiveMemory(4, 4, num_slots=1)
