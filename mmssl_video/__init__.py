"""Self-supervised video representation learning on the OpenMMLab video stack."""

from . import compat
from .version import __version__

compat.apply()  # before the first mmaction import

from . import checkpoints, datasets, engine, evaluation, models  # noqa: E402
from .config_files import config_dir, find_config  # noqa: E402

__all__ = [
    '__version__',
    'checkpoints',
    'config_dir',
    'datasets',
    'engine',
    'evaluation',
    'find_config',
    'models',
]
