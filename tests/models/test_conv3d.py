"""Our 3D convolution: the same result whichever way it takes through the kernels."""

import pytest
import torch
from torch import nn

from mmssl_video.models.backbones.conv3d import Conv3d


def weight_gradient(layer, weight, x, weights_of_outputs):
    """Gradient of a weighted sum of the layer's outputs with respect to its kernel."""
    layer = layer.to(x.dtype)
    layer.weight.data = weight.to(x.dtype)
    (layer(x) * weights_of_outputs.to(x.dtype)).sum().backward()
    return layer.weight.grad.double()


@pytest.mark.parametrize('frames', [1, 2, 3, 4])
@pytest.mark.parametrize(
    'kernel, padding, dilation',
    [
        ((3, 3, 3), (1, 1, 1), 1),
        ((3, 1, 1), (1, 0, 0), 1),
        ((5, 7, 7), (2, 3, 3), 1),
        ((3, 3, 3), (2, 1, 1), (2, 1, 1)),
        ((1, 3, 3), (0, 1, 1), 1),
        ((1, 1, 1), 0, 1),
    ],
)
@pytest.mark.parametrize('stride', [1, (1, 2, 2), 2])
def test_gradients_in_bfloat16_are_those_of_float32(frames, kernel, padding, dilation, stride):
    """oneDNN leaves the weight gradient of few frames with a padded time unwritten."""
    torch.manual_seed(0)
    arguments = (16, 16, kernel, stride, padding, dilation)
    x = torch.randn(2, 16, frames, 8, 8).bfloat16()
    weight = nn.Conv3d(*arguments[:5], dilation=dilation).weight.detach().bfloat16()
    layer = Conv3d(*arguments)
    direction = torch.randn(layer.double()(x.double()).shape).bfloat16()
    plain = nn.Conv3d(*arguments[:5], dilation=dilation, bias=False)
    expected = weight_gradient(plain, weight, x.double(), direction)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 2e-2)):
        gradient = weight_gradient(Conv3d(*arguments), weight, x.to(dtype), direction)
        assert (gradient - expected).norm() <= tolerance * expected.norm()


def test_autocast_takes_the_way_of_16_bits():
    torch.manual_seed(0)
    layer, plain = Conv3d(8, 8, 3, padding=1), nn.Conv3d(8, 8, 3, padding=1, bias=False)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, 8, 2, 6, 6)
    plain(x).square().sum().backward()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = layer(x)
    assert out.dtype == torch.bfloat16
    out.float().square().sum().backward()
    error = (layer.weight.grad - plain.weight.grad).norm() / plain.weight.grad.norm()
    assert error < 2e-2
