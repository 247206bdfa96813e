"""ResNet2d3d: shapes of the papers' tables, parameter counts, and the 2D path against plain 3D."""

import pytest
import torch
from torch import nn

from mmssl_video.models.backbones import ResNet2d3d
from mmssl_video.models.backbones.conv3d import Conv3d


def test_shapes_of_memdpc_table_s1():
    """Every row of Table S1 of MemDPC's supplement, T x HW x C, for a block of 5 x 128 x 128."""
    model = ResNet2d3d(18).eval()
    shapes = {}
    for name in ('conv1', 'layer1', 'layer2', 'layer3', 'layer4'):
        getattr(model, name).register_forward_hook(
            lambda _, __, out, name=name: shapes.update({name: tuple(out.shape[1:])})
        )
    with torch.no_grad():
        model(torch.randn(1, 3, 5, 128, 128))
    assert shapes == dict(
        conv1=(64, 5, 64, 64),
        layer1=(64, 5, 32, 32),
        layer2=(128, 5, 16, 16),
        layer3=(256, 3, 8, 8),
        layer4=(256, 2, 4, 4),
    )


@pytest.mark.parametrize('depth, millions', [(18, 14.06), (34, 32.42), (50, 23.56)])
def test_parameter_counts(depth, millions):
    count = sum(p.numel() for p in ResNet2d3d(depth).parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize('depth', [18, 34, 50])
@pytest.mark.parametrize('size, frames', [((64, 64), 5), ((50, 70), 4)])
def test_2d_kernels_equal_plain_3d(depth, size, frames, monkeypatch):
    torch.manual_seed(0)
    model = ResNet2d3d(depth, base_channels=4).double()
    x = torch.randn(2, 3, frames, *size, dtype=torch.double)

    def run():
        model.zero_grad()
        out = model(x)
        out.square().sum().backward()
        return out.detach(), [p.grad.clone() for p in model.parameters()]

    fast, fast_grads = run()
    monkeypatch.setattr(Conv3d, 'forward', lambda self, x: nn.Conv3d.forward(self, x))
    plain, plain_grads = run()
    assert fast.shape[1:] == (
        model.out_channels,
        -(-frames // 4),
        -(-size[0] // 32),
        -(-size[1] // 32),
    )
    torch.testing.assert_close(fast, plain)
    for a, b in zip(fast_grads, plain_grads):
        torch.testing.assert_close(a, b)


def test_last_block_ends_without_relu():
    model = ResNet2d3d(18, base_channels=4)
    out = model(torch.randn(2, 3, 5, 32, 32))
    assert (out < 0).any()
    assert [block.final_relu for block in model.layer4] == [True, False]
    assert all(
        block.final_relu for stage in (model.layer1, model.layer2, model.layer3) for block in stage
    )


def test_norm_layers():
    x = torch.randn(2, 3, 5, 32, 32)
    untracked = ResNet2d3d(18, base_channels=4, track_running_stats=False)
    assert not any('running' in key for key in untracked.state_dict())
    # Batch statistics in both modes.
    torch.testing.assert_close(untracked.train()(x), untracked.eval()(x))
    instance = ResNet2d3d(18, base_channels=4, norm_cfg=dict(type='IN'))
    assert any(isinstance(m, nn.InstanceNorm3d) and m.affine for m in instance.modules())
    # Instance norm does not mix the samples of a batch.
    torch.testing.assert_close(instance(x)[:1], instance(x[:1]), rtol=1e-4, atol=1e-4)
    synced = ResNet2d3d(18, base_channels=4, norm_cfg=dict(type='SyncBN'))
    assert any(isinstance(m, nn.SyncBatchNorm) for m in synced.modules())


def test_norm_eval_freezes_the_statistics():
    model = ResNet2d3d(18, base_channels=4, norm_eval=True).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model(torch.randn(2, 3, 5, 32, 32))
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert model.training and not model.bn1.training


def test_recomputed_blocks_give_the_same_gradients():
    torch.manual_seed(0)
    model = ResNet2d3d(18, base_channels=4).double()
    recomputing = ResNet2d3d(18, base_channels=4, with_cp=True).double()
    recomputing.load_state_dict(model.state_dict())
    x = torch.randn(2, 3, 5, 32, 32, dtype=torch.double)
    for m in (model, recomputing):
        m(x).square().sum().backward()
    for a, b in zip(model.parameters(), recomputing.parameters()):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize(
    'kwargs, word',
    [
        (dict(depth=101), 'depth'),
        (dict(norm_cfg=dict(type='GN')), 'norm_cfg'),
        (dict(base_channels=0), 'base_channels'),
        (dict(norm_eval=True, track_running_stats=False), 'track_running_stats'),
    ],
)
def test_bad_values_are_named(kwargs, word):
    with pytest.raises(ValueError, match=word):
        ResNet2d3d(**kwargs)
