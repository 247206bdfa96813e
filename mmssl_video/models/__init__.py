from . import backbones, data_preprocessors, heads, losses, necks, recognizers  # noqa: F401
