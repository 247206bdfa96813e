"""SSTL's losses against the equations written out in NumPy, and their gradients."""

import numpy as np
import pytest
import torch

from mmssl_video.models.losses import ClipToVideoLoss, PlaybackRateLoss
from mmssl_video.models.losses.clip_contrast import contrast_views


def sim(a, b):
    """``a^T b / (|a| |b|)``, below Eq. (4)."""
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def equation_3(x, y, i, tau, bank=(), others=None):
    """L_i,x: the sum is over k != i in view x and all k in view y, and cells of the bank."""
    total = 0.0
    for k in range(len(x)) if others is None else others[i]:
        if k != i:
            total += np.exp(sim(x[i], x[k]) / tau)
        total += np.exp(sim(x[i], y[k]) / tau)
    total += sum(np.exp(sim(x[i], cell) / tau) for cell in bank)
    return -np.log(np.exp(sim(x[i], y[i]) / tau) / total)


def equation_4(x, y, tau, bank=None, others=None):
    bank = [()] * len(x) if bank is None else bank
    return np.mean(
        [
            equation_3(a, b, i, tau, bank[i], others)
            for a, b in ((x, y), (y, x))
            for i in range(len(x))
        ]
    )


@pytest.fixture
def views():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 6, 5)) * rng.uniform(0.1, 9, (2, 6, 1)), rng.normal(size=(7, 5))


def tensors(*arrays):
    return [torch.tensor(array) for array in arrays]


@pytest.mark.parametrize('tau', [0.1, 1.0])
def test_equations_3_and_4(views, tau):
    (x, y), _ = views
    loss, stats = contrast_views(*tensors(x, y), tau)
    assert loss.item() == pytest.approx(equation_4(x, y, tau), rel=1e-12)
    assert stats['num_negatives'] == 2 * 6 - 2


def test_equation_3_with_cells_of_the_bank(views):
    (x, y), bank = views
    x, y, cells = tensors(x, y, bank)
    loss, stats = contrast_views(x, y, 0.1, bank=cells)
    assert loss.item() == pytest.approx(
        equation_4(x.numpy(), y.numpy(), 0.1, [bank] * 6), rel=1e-12
    )
    assert stats['num_negatives'] == 10 + 7
    valid = torch.rand(6, 7, generator=torch.Generator().manual_seed(0)) < 0.5
    valid[2] = False
    loss, stats = contrast_views(x, y, 0.1, bank=cells, bank_valid=valid.repeat(2, 1)[:6])
    assert loss.item() == pytest.approx(
        equation_4(x.numpy(), y.numpy(), 0.1, [bank[row.numpy()] for row in valid]), rel=1e-12
    )
    assert stats['num_negatives'].item() == pytest.approx(10 + valid.sum().item() / 6)


def test_clips_of_one_video_are_no_negatives_of_each_other(views):
    (x, y), _ = views
    videos = torch.tensor([3, 9, 3, 4, 5, 5])
    loss, _ = contrast_views(*tensors(x, y), 0.1, videos)
    others = [[k for k in range(6) if k == i or videos[k] != videos[i]] for i in range(6)]
    assert loss.item() == pytest.approx(equation_4(x, y, 0.1, others=others), rel=1e-12)


def test_groups_are_as_batches_of_their_own(views):
    (x, y), _ = views
    loss, _stats = contrast_views(*tensors(x, y), 0.1, groups=torch.tensor([0, 0, 1, 1, 1, 1]))
    expected = (2 * equation_4(x[:2], y[:2], 0.1) + 4 * equation_4(x[2:], y[2:], 0.1)) / 6
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_top1_counts_ties_and_half_views():
    x = torch.eye(3)
    loss, stats = contrast_views(x, x.clone())
    assert stats['top1'] == 1 and loss < 1e-3
    assert contrast_views(x, x.roll(1, 0))[1]['top1'] == 0
    same = torch.ones(3, 3)
    assert contrast_views(same, same)[1]['top1'] == 0  # a tie is lost
    half, _ = contrast_views(x.half(), x.half())
    assert half.dtype == torch.float32


def test_equation_5():
    rng = np.random.default_rng(1)
    h, rows = rng.normal(size=(4, 5)), rng.normal(size=(4, 3, 5))  # L = 3 cells a video
    expected = np.mean([1 - sim(h[i], rows[i].sum(0) / 3) for i in range(4)])
    loss, stats = ClipToVideoLoss()(*tensors(h, rows.mean(1)))
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    assert stats['video/cosine'].item() == pytest.approx(1 - expected)
    rows[1:] = 0  # nothing is known of these videos: they count as 0
    loss, stats = ClipToVideoLoss()(*tensors(h, rows.mean(1)))
    cosine = sim(h[0], rows[0].mean(0))
    assert loss.item() == pytest.approx((1 - cosine) / 4)
    assert stats['video/known'].item() == pytest.approx(0.25)
    assert stats['video/cosine'].item() == pytest.approx(cosine)


def test_unknown_videos_give_neither_loss_nor_gradient():
    h = torch.randn(3, 4, requires_grad=True)
    loss, _ = ClipToVideoLoss()(h, torch.zeros(3, 4))
    loss.backward()
    assert loss == 0 and torch.equal(h.grad, torch.zeros(3, 4))


def test_playback_rate_loss_is_half_the_squared_error():
    rng = np.random.default_rng(2)
    s, p = rng.uniform(0.5, 2, 6), rng.uniform(1, 1.25, 6)
    loss, stats = PlaybackRateLoss()(*tensors(s, p))
    assert loss.item() == pytest.approx(np.mean((s - p) ** 2 / 2), rel=1e-12)
    assert stats['rate/error'].item() == pytest.approx(np.abs(s - p).mean())


def finite_difference(function, x, eps=1e-6):
    grad = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[place] += eps
        down[place] -= eps
        grad[place] = (function(up) - function(down)) / (2 * eps)
    return grad


def test_gradients_are_finite_differences_of_the_numpy_equations(views):
    (x, y), bank = views
    videos = np.array([0, 1, 2, 3, 4, 4])
    others = [[k for k in range(6) if k == i or videos[k] != videos[i]] for i in range(6)]
    a, b = (tensor.requires_grad_() for tensor in tensors(x, y))
    contrast_views(a, b, 0.1, torch.tensor(videos), bank=torch.tensor(bank))[0].backward()
    for found, at in (
        (a.grad, lambda v: equation_4(v, y, 0.1, [bank] * 6, others)),
        (b.grad, lambda v: equation_4(x, v, 0.1, [bank] * 6, others)),
    ):
        values = x if found is a.grad else y
        np.testing.assert_allclose(
            found.numpy(), finite_difference(at, values), rtol=1e-5, atol=1e-7
        )
    a = torch.tensor(x, requires_grad=True)
    ClipToVideoLoss()(a, torch.tensor(y))[0].backward()
    np.testing.assert_allclose(
        a.grad.numpy(),
        finite_difference(lambda v: np.mean([1 - sim(v[i], y[i]) for i in range(6)]), x),
        rtol=1e-5,
        atol=1e-8,
    )
    s = torch.tensor(x[:, 0], requires_grad=True)
    PlaybackRateLoss()(s, torch.tensor(y[:, 0]))[0].backward()
    np.testing.assert_allclose(
        s.grad.numpy(),
        finite_difference(lambda v: np.mean((v - y[:, 0]) ** 2) / 2, x[:, 0]),
        rtol=1e-5,
        atol=1e-8,
    )
