"""R3D-18, R(2+1)D-18 and Slow-R18: sizes of the papers, shapes, errors."""

import pytest
import torch
from torch import nn

from mmssl_video.models.backbones.video_resnet import VideoResNet, middle_channels

RELEASED = dict(kind='r2plus1d', depth=10, stem_middle=83, factorised_shortcut=True)


@pytest.mark.parametrize(
    'settings, millions',
    [
        (dict(), 33.17),
        (dict(last_stage='dilated'), 33.17),
        (dict(last_stage='released'), 26.09),
        (dict(kind='r2plus1d'), 33.17),  # each pair has as many weights as the kernel it stands for
        (RELEASED, 14.37),
        (dict(kind='slow'), 20.02),
        (dict(depth=34), 63.48),
    ],
)
def test_parameters(settings, millions):
    with torch.device('meta'):
        model = VideoResNet(**settings)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(
    'settings, frames, side',
    [
        (dict(), 1, 2),
        (dict(last_stage='dilated'), 2, 2),
        (dict(last_stage='released'), 2, 2),
        (dict(kind='r2plus1d'), 1, 2),
        (dict(kind='slow'), 8, 1),
        (dict(stem_pool=True), 1, 1),
        (dict(kind='slow', stem_pool=False), 8, 2),
    ],
)
@pytest.mark.parametrize('with_cp', [False, True])
def test_maps(settings, frames, side, with_cp):
    torch.manual_seed(0)
    model = VideoResNet(base_channels=4, with_cp=with_cp, **settings)
    out = model(torch.randn(2, 3, 8, 32, 32))
    assert out.shape == (2, 32, frames, side, side) and model.out_channels == 32
    assert (out >= 0).all()
    out.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def plain_r3d(model: VideoResNet) -> nn.Sequential:
    """The same network written out with torch's own layers, sharing the parameters."""

    def conv(ours, padding):
        layer = nn.Conv3d(
            ours.in_channels,
            ours.out_channels,
            ours.kernel_size,
            ours.stride,
            padding,
            ours.dilation,
            bias=False,
        )
        layer.weight = ours.weight
        return layer

    class Block(nn.Module):
        def __init__(self, block):
            super().__init__()
            self.body = nn.Sequential(
                conv(block.conv1, block.conv1.padding),
                block.bn1,
                nn.ReLU(),
                conv(block.conv2, 1),
                block.bn2,
            )
            self.shortcut = (
                nn.Identity()
                if block.downsample is None
                else nn.Sequential(conv(block.downsample[0], 0), block.downsample[1])
            )

        def forward(self, x):
            return torch.relu(self.body(x) + self.shortcut(x))

    stages = (model.layer1, model.layer2, model.layer3, model.layer4)
    return nn.Sequential(
        conv(model.conv1, (1, 3, 3)),
        model.bn1,
        nn.ReLU(),
        *(Block(block) for stage in stages for block in stage),
    )


@pytest.mark.parametrize('last_stage', ['standard', 'dilated'])
def test_equals_plain_layers(last_stage):
    torch.manual_seed(0)
    model = VideoResNet(base_channels=3, last_stage=last_stage).double().eval()
    clips = torch.randn(2, 3, 9, 21, 26, dtype=torch.float64)
    torch.testing.assert_close(model(clips), plain_r3d(model).eval()(clips))


def test_middle_width_keeps_the_number_of_weights():
    """Tran et al. section 3.5, and the widths of the released state dict."""
    assert (middle_channels(64, 64), middle_channels(64, 128), middle_channels(256, 512)) == (
        144,
        230,
        921,
    )


def test_frozen_batch_norm_stays_frozen():
    model = VideoResNet(base_channels=2, norm_eval=True).train()
    before = {name: value.clone() for name, value in model.named_buffers()}
    model(torch.randn(2, 3, 8, 16, 16))
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    assert model.training


@pytest.mark.parametrize(
    'settings, words',
    [
        (dict(kind='c3d'), 'backbone.kind'),
        (dict(depth=50), 'backbone.depth'),
        (dict(last_stage='late'), 'backbone.last_stage'),
        (dict(base_channels=0), 'base_channels'),
        (dict(kind='slow', last_stage='dilated'), "for kind='r3d'"),
        (dict(stem_middle=83), "for kind='r2plus1d'"),
    ],
)
def test_wrong_settings(settings, words):
    with pytest.raises(ValueError, match=words):
        VideoResNet(**settings)
