"""The data preprocessor that recognizers have unless a config says otherwise."""

from __future__ import annotations

from mmaction.registry import MODELS
from torch import nn


def build_preprocessor(config: dict | nn.Module | None) -> nn.Module:
    """Build a data preprocessor, mmaction2's for actions by default; a built one stays itself.

    mmengine would look its name up in the default scope; built here, a recognizer can be used
    without setting one.
    """
    if isinstance(config, nn.Module):
        return config
    return MODELS.build(config or dict(type='ActionDataPreprocessor'))
