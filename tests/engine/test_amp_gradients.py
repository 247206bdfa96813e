"""The check of 16-bit gradients at the start of a run."""

import pytest
import torch
from torch import nn

from mmssl_video.engine.hooks.amp_gradients import AmpGradientCheckHook, gradient_error
from mmssl_video.models.backbones.conv3d import Conv3d


class WrongIn16Bits(nn.Conv3d):
    """Stands for a kernel that is right in float32 and wrong in bfloat16."""

    def forward(self, x):
        out = super().forward(x)
        return out * 2 if out.dtype == torch.bfloat16 else out


class Runner:
    def __init__(self, model):
        self.model = model


def run(model, x, autocast=True):
    """The hook's view of the first two iterations."""
    hook, runner = AmpGradientCheckHook(), Runner(model)
    hook.before_train(runner)
    with torch.autocast('cpu', dtype=torch.bfloat16, enabled=autocast):
        out = model(x)
    out.float().sum().backward()
    before = {name: p.grad.clone() for name, p in model.named_parameters()}
    hook.after_train_iter(runner, 0)
    assert all(torch.equal(before[name], p.grad) for name, p in model.named_parameters())
    assert not any(module._forward_hooks for module in model.modules())
    hook.after_train_iter(runner, 1)


def test_right_gradients_pass_and_nothing_changes():
    model = nn.Sequential(Conv3d(3, 8, 3, padding=1), nn.Conv3d(8, 8, (1, 3, 3), padding=(0, 1, 1)))
    run(model, torch.randn(4, 3, 2, 8, 8))


def test_a_wrong_gradient_is_refused_by_name_and_shape():
    model = nn.Sequential(Conv3d(3, 8, 3, padding=1), WrongIn16Bits(8, 8, 3, padding=1))
    with pytest.raises(
        RuntimeError,
        match=r'^mixed precision cannot .* of 1 \(WrongIn16Bits, .*'
        r'\[2, 8, 4, 8, 8\] is off by 1 .* train without --amp$',
    ):
        run(model, torch.randn(4, 3, 4, 8, 8))


def test_what_autocast_does_not_touch_is_not_judged():
    run(WrongIn16Bits(3, 4, 3, padding=1), torch.randn(2, 3, 4, 8, 8), autocast=False)


def test_the_error_of_a_gradient_that_is_no_number_is_infinite():
    class NotANumber(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) * (float('nan') if x.dtype == torch.bfloat16 else 1)

    assert gradient_error(NotANumber(2, 2, 3), (1, 2, 5, 5), torch.bfloat16) == float('inf')
    assert gradient_error(nn.Conv2d(2, 2, 3), (1, 2, 5, 5), torch.bfloat16) < 1e-2
