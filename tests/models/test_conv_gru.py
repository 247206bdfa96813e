"""ConvGRU against a step-by-step twin written from the equations."""

import pytest
import torch
import torch.nn.functional as F

from mmssl_video.models.necks import ConvGRU


def plain_gru(cells, x, state, padding):
    """One convolution a gate, step and layer, straight from the equations."""
    state = list(state)
    outputs = []
    for t in range(x.shape[1]):
        below = x[:, t]
        for layer, cell in enumerate(cells):
            h = state[layer]

            def gate(name, hidden, below=below, cell=cell):
                conv = getattr(cell, name)
                return F.conv2d(
                    torch.cat([below, hidden], 1), conv.weight, conv.bias, padding=padding
                )

            reset, update = gate('reset_gate', h).sigmoid(), gate('update_gate', h).sigmoid()
            state[layer] = (1 - update) * h + update * gate('out_gate', h * reset).tanh()
            below = state[layer]
        outputs.append(below)
    return torch.stack(outputs, 1), torch.stack(state)


@pytest.mark.parametrize('num_layers, kernel_size', [(1, 1), (1, 3), (3, 1)])
@pytest.mark.parametrize('with_state', [False, True])
def test_equals_plain_twin(num_layers, kernel_size, with_state):
    torch.manual_seed(num_layers)
    gru = ConvGRU(6, 5, num_layers, kernel_size, dropout=0.0).double()
    x = torch.randn(2, 4, 6, 3, 2, dtype=torch.double, requires_grad=True)
    state = torch.randn(num_layers, 2, 5, 3, 2, dtype=torch.double) if with_state else None
    out, last = gru(x, state)
    start = state if with_state else torch.zeros(num_layers, 2, 5, 3, 2, dtype=torch.double)
    expected, expected_last = plain_gru(gru.forward_cells, x, start, kernel_size // 2)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(last, expected_last)
    weight = gru.forward_cells[0].out_gate.weight
    for a, b in zip(
        torch.autograd.grad(out.square().sum(), (x, weight)),
        torch.autograd.grad(expected.square().sum(), (x, weight)),
    ):
        torch.testing.assert_close(a, b)


def test_a_sequence_may_be_continued():
    gru = ConvGRU(4, num_layers=2).eval()
    x = torch.randn(2, 6, 4, 2, 2)
    whole, last = gru(x)
    first, state = gru(x[:, :4])
    second, continued = gru(x[:, 4:], state)
    torch.testing.assert_close(whole, torch.cat([first, second], 1))
    torch.testing.assert_close(last, continued)


def test_directions_have_their_own_weights():
    gru = ConvGRU(4, bidirectional=True).eval()
    x = torch.randn(1, 3, 4, 2, 2)
    assert not torch.allclose(gru(x)[0], gru(x, backward=True)[0])
    gru.backward_cells.load_state_dict(gru.forward_cells.state_dict())
    torch.testing.assert_close(gru(x)[0], gru(x, backward=True)[0])
    with pytest.raises(ValueError, match='bidirectional'):
        ConvGRU(4)(x, backward=True)


def test_dropout_acts_on_every_state_and_only_in_training():
    torch.manual_seed(0)
    gru = ConvGRU(64, dropout=0.5)
    x = torch.randn(4, 5, 64, 4, 4)
    out, last = gru(x)
    share = (out == 0).float().mean((0, 2, 3, 4))
    assert ((share > 0.45) & (share < 0.55)).all()
    torch.testing.assert_close(out[:, -1], last[-1])
    assert (gru.eval()(x)[0] != 0).all()


@pytest.mark.parametrize('kwargs', [dict(kernel_size=2), dict(num_layers=0), dict(dropout=1.0)])
def test_bad_values_are_named(kwargs):
    with pytest.raises(ValueError, match=f'neck.{next(iter(kwargs))}'):
        ConvGRU(4, **kwargs)
