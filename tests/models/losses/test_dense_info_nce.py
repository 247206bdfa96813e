"""The chunked loss against its plain twin: value, gradients, accuracies, memory, processes."""

import subprocess
import sys
import textwrap

import pytest
import torch
import torch.nn.functional as F

from helpers.tiny_run import run_workers
from mmssl_video.models.losses import DenseInfoNCELoss


def plain(pred, target, temperature=1.0, normalize=False):
    """The whole score matrix, cross-entropy, and masks for the kinds of negatives."""
    _videos, steps, channels, height, width = pred.shape
    a, b = (x.permute(0, 1, 3, 4, 2).reshape(-1, channels) for x in (pred, target))
    if normalize:
        a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    scores = a @ b.T / temperature
    label = torch.arange(len(a))
    video = label // (steps * height * width)
    place = label % (height * width)
    same_video = video[:, None] == video
    same_place = place[:, None] == place
    diagonal = torch.eye(len(a), dtype=torch.bool)
    kinds = dict(
        temporal=same_video & same_place & ~diagonal,
        spatial=same_video & ~same_place,
        easy=~same_video,
    )
    positive = scores.diagonal()[:, None]
    metrics = {f'top{k}': ((scores >= positive).sum(1) - 1 < k).double().mean() for k in (1, 3, 5)}
    for name, mask in kinds.items():
        if mask.any():
            metrics[f'top1_{name}'] = (~((scores >= positive) & mask).any(1)).double().mean()
    return F.cross_entropy(scores, label), metrics


@pytest.mark.parametrize(
    'shape', [(5, 3, 8, 2, 2), (3, 2, 8, 1, 1), (2, 1, 8, 3, 2), (1, 3, 8, 2, 2)]
)
@pytest.mark.parametrize('max_elements', [1, 400, 2**22])
@pytest.mark.parametrize('options', [{}, dict(temperature=0.2, normalize=True)])
def test_equals_plain_twin(shape, max_elements, options):
    generator = torch.Generator().manual_seed(0)
    pred, target = (
        torch.randn(shape, generator=generator, dtype=torch.double, requires_grad=True)
        for _ in range(2)
    )
    loss, metrics = DenseInfoNCELoss(max_elements=max_elements, **options)(pred, target)
    expected, expected_metrics = plain(pred, target, **options)
    torch.testing.assert_close(loss, expected)
    assert {k: v.item() for k, v in metrics.items() if k != 'num_negatives'} == pytest.approx(
        {k: v.item() for k, v in expected_metrics.items()}
    )
    assert metrics['num_negatives'] == shape[0] * shape[1] * shape[3] * shape[4] - 1
    for got, want in zip(
        torch.autograd.grad(3 * loss, (pred, target)),
        torch.autograd.grad(3 * expected, (pred, target)),
    ):
        torch.testing.assert_close(got, want)


def test_finite_differences():
    pred, target = (
        torch.randn(2, 2, 3, 2, 1, dtype=torch.double, requires_grad=True) for _ in range(2)
    )
    assert torch.autograd.gradcheck(
        lambda a, b: DenseInfoNCELoss(max_elements=20)(a, b)[0], (pred, target)
    )


def test_constant_features_do_not_count_as_right():
    ones = torch.ones(4, 3, 8, 2, 2)
    loss, metrics = DenseInfoNCELoss()(ones, ones)
    assert metrics['top1'] == metrics['top5'] == metrics['top1_easy'] == 0
    assert loss.item() == pytest.approx(torch.tensor(48.0).log().item())


def test_perfect_predictions():
    target = 10 * torch.eye(24).view(2, 3, 2, 2, 24).permute(0, 1, 4, 2, 3)
    loss, metrics = DenseInfoNCELoss()(target, target)
    assert loss < 1e-3
    assert all(metrics[f'top1{k}'] == 1 for k in ('', '_temporal', '_spatial', '_easy'))


def test_half_precision_inputs_give_float32_logits():
    pred, target = (torch.randn(2, 3, 64, 2, 2) * 8 for _ in range(2))
    expected = DenseInfoNCELoss()(pred.bfloat16().float(), target.bfloat16().float())[0]
    with torch.autocast('cpu', torch.bfloat16):
        loss = DenseInfoNCELoss()(pred.bfloat16(), target.bfloat16())[0]
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected)


def test_no_gradient_is_formed_when_none_is_needed():
    pred, target = torch.randn(2, 3, 8, 2, 2), torch.randn(2, 3, 8, 2, 2)
    assert not DenseInfoNCELoss()(pred, target)[0].requires_grad
    loss = DenseInfoNCELoss()(pred.requires_grad_(), target)[0]
    assert torch.autograd.grad(loss, pred)[0].abs().sum() > 0


@pytest.mark.parametrize('bad', [torch.zeros(2, 3, 8, 2, 3), torch.zeros(2, 3, 8)])
def test_wrong_shapes(bad):
    with pytest.raises(ValueError, match=r'\[B, P, C, H, W\]'):
        DenseInfoNCELoss()(torch.zeros(2, 3, 8, 2, 2), bad)


@pytest.mark.parametrize('kwargs', [dict(temperature=0.0), dict(max_elements=0)])
def test_bad_values_are_named(kwargs):
    with pytest.raises(ValueError, match=f'DenseInfoNCELoss.{next(iter(kwargs))}'):
        DenseInfoNCELoss(**kwargs)


def test_gathered_negatives_equal_one_process_with_the_whole_batch(tmp_path):
    """Two real gloo processes: loss, gradients and accuracies of the doubled batch."""
    script = tmp_path / 'worker.py'
    script.write_text(
        textwrap.dedent("""
        import sys, torch, torch.distributed as dist
        import mmssl_video
        from mmssl_video.models.losses import DenseInfoNCELoss
        rank = int(sys.argv[1])
        dist.init_process_group('gloo', init_method=f'file://{sys.argv[2]}/rendezvous',
                                rank=rank, world_size=2)
        generator = torch.Generator().manual_seed(0)
        whole = [torch.randn(4, 3, 8, 2, 2, generator=generator, dtype=torch.double)
                 for _ in range(2)]
        pred, target = (x[2 * rank:2 * rank + 2].clone().requires_grad_() for x in whole)
        loss, metrics = DenseInfoNCELoss(gather=True, max_elements=100)(pred, target)
        loss.backward()
        torch.save(dict(loss=loss.detach(), pred=pred.grad, target=target.grad, **metrics),
                   f'{sys.argv[2]}/{rank}.pt')
    """)
    )
    run_workers(script, [(rank, tmp_path) for rank in range(2)], tmp_path)
    results = [torch.load(tmp_path / f'{rank}.pt', weights_only=True) for rank in range(2)]
    generator = torch.Generator().manual_seed(0)
    pred, target = (
        torch.randn(4, 3, 8, 2, 2, generator=generator, dtype=torch.double).requires_grad_()
        for _ in range(2)
    )
    loss, metrics = DenseInfoNCELoss()(pred, target)
    loss.backward()
    torch.testing.assert_close((results[0]['loss'] + results[1]['loss']) / 2, loss.detach())
    # Data parallel training averages over processes: half the sum is the whole batch's gradient.
    torch.testing.assert_close(torch.cat([r['pred'] for r in results]) / 2, pred.grad)
    torch.testing.assert_close(torch.cat([r['target'] for r in results]) / 2, target.grad)
    for name, value in metrics.items():
        assert (results[0][name] + results[1][name]).item() / 2 == pytest.approx(value.item())


@pytest.mark.slow
def test_peak_memory_is_a_quarter_of_the_plain_matrix():
    """9,408 vectors of 256, forward and backward, each in a process of its own (peak RSS)."""
    code = textwrap.dedent("""
        import sys, torch, mmssl_video
        from mmssl_video.models.losses import DenseInfoNCELoss
        def peak():  # getrusage would count what the parent had before the exec
            return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])
        torch.manual_seed(0)
        pred, target = ((torch.randn(64, 3, 256, 7, 7) / 8).requires_grad_() for _ in range(2))
        def matrix(a, b):
            a, b = (x.permute(0, 1, 3, 4, 2).reshape(-1, 256) for x in (a, b))
            return torch.nn.functional.cross_entropy(a @ b.T, torch.arange(len(a)))
        loss = matrix if sys.argv[1] == 'plain' else lambda a, b: DenseInfoNCELoss()(a, b)[0]
        loss(pred[:2], target[:2]).backward()
        before = peak()
        loss(pred, target).backward()
        print(peak() - before)
    """)
    peak = {
        name: int(
            subprocess.run(
                [sys.executable, '-W', 'ignore', '-c', code, name],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()[-1]
        )
        for name in ('plain', 'chunked')
    }
    assert peak['plain'] > 600_000, peak  # KiB: two float32 matrices at least
    assert peak['chunked'] <= peak['plain'] / 4, peak
