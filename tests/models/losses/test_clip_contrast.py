"""The contrast as a part: in BYOL's slot, with groups, and with a bank to draw from."""

import math

import numpy as np
import pytest
import torch

from helpers.tiny_run import run_workers
from mmssl_video.models.losses import ClipContrastLoss
from mmssl_video.models.memory_bank import TemporalMemoryBank


def plain(first, second, tau, others=None, cells=()):
    """Eq. (3) and (4) by loops; ``others[i]`` are the clips that clip i is told from."""
    total = 0.0
    rows = [torch.nn.functional.normalize(x, dim=1) for x in (first, second)]
    for a, b in (rows, rows[::-1]):
        for i in range(len(a)):
            scores = [float(a[i] @ b[i])]
            for k in range(len(a)) if others is None else others[i]:
                if k != i:
                    scores += [float(a[i] @ a[k]), float(a[i] @ b[k])]
            scores += [float(a[i] @ torch.nn.functional.normalize(c, dim=0)) for c in cells]
            powers = [math.exp(score / tau) for score in scores]
            total -= math.log(powers[0] / sum(powers)) / (2 * len(a))
    return total


@pytest.fixture
def views():
    torch.manual_seed(0)
    return torch.randn(2, 6, 5, dtype=torch.double)


def test_a_prediction_and_a_target_without_gradient(views):
    """BYOL's slot: what is predicted of the other clip, and what the target makes of it."""
    predicted, target = views[0].clone().requires_grad_(), views[1]
    loss, stats = ClipContrastLoss(temperature=0.2)(predicted, target)
    assert loss.item() == pytest.approx(plain(*views, 0.2), rel=1e-12)
    assert stats['num_negatives'] == 10
    loss.backward()
    assert predicted.grad.abs().sum() > 0 and target.grad is None


def test_groups_and_videos(views):
    loss, _ = ClipContrastLoss(gather=False, group_size=3)(
        *views, videos=torch.tensor([0, 1, 1, 2, 3, 2])
    )
    others = [[1, 2], [0], [0], [4], [3, 5], [4]]
    assert loss.item() == pytest.approx(plain(*views, 0.1, others), rel=1e-12)


def test_cells_of_a_bank(views):
    bank = TemporalMemoryBank(dim=5, num_cells=1)
    bank.set_videos(12, seed=4)
    bank.update(torch.arange(12), torch.full((12,), 0.5), torch.randn(12, 5))
    videos = torch.arange(6)
    cells, _ = bank.draw(4, [videos.numpy()])
    assert len(cells) == 4
    loss, stats = ClipContrastLoss(num_negatives=4)(*views, videos=videos, bank=bank)
    assert loss.item() == pytest.approx(plain(*views, 0.1, cells=cells.double()), rel=1e-6)
    assert stats['num_negatives'] == 10 + 4
    none, _ = ClipContrastLoss(num_negatives=0)(*views, videos=videos, bank=bank)
    assert none.item() == pytest.approx(plain(*views, 0.1), rel=1e-12)


def test_perfect_views_beat_all_others(views):
    _, stats = ClipContrastLoss()(views[0], views[0] * 3)
    assert stats['top1'] == 1
    _, stats = ClipContrastLoss()(views[0], views[0][torch.from_numpy(np.roll(np.arange(6), 1))])
    assert stats['top1'] == 0


@pytest.mark.parametrize(
    'settings, words',
    [
        (dict(temperature=0), 'temperature'),
        (dict(num_negatives=-1), 'num_negatives'),
        (dict(group_size=2), 'gather=False'),
    ],
)
def test_wrong_settings(settings, words):
    with pytest.raises(ValueError, match=words):
        ClipContrastLoss(**settings)


WORKER = """
import sys
import torch
import torch.distributed as dist
import mmssl_video
from mmssl_video.models.losses import ClipContrastLoss
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
dist.init_process_group('gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=2)
torch.manual_seed(0)
views = torch.randn(2, 6, 5, dtype=torch.double)
first, second = (view[3 * rank : 3 * rank + 3].clone().requires_grad_() for view in views)
loss, stats = ClipContrastLoss()(first, second.detach())
loss.backward()
torch.save((loss.detach(), first.grad, stats['num_negatives']), f'{folder}/{rank}.pt')
"""


def test_clips_of_other_processes_are_negatives_without_video_numbers(views, tmp_path):
    """The n-th clip of each process is a video of its own, though nobody numbers them."""
    (tmp_path / 'worker.py').write_text(WORKER)
    run_workers(tmp_path / 'worker.py', [(rank, tmp_path) for rank in (0, 1)], tmp_path)
    halves = [torch.load(tmp_path / f'{rank}.pt', weights_only=True) for rank in (0, 1)]
    first = views[0].clone().requires_grad_()
    whole, stats = ClipContrastLoss()(first, views[1])
    whole.backward()
    torch.testing.assert_close((halves[0][0] + halves[1][0]) / 2, whole.detach())
    torch.testing.assert_close(torch.cat([half[1] for half in halves]) / 2, first.grad)
    assert halves[0][2] == halves[1][2] == stats['num_negatives'] == 10
