"""Checkpoints: reading files as data, loading encoders with a report, the authors' own formats."""

from .config_text import config_from_checkpoint, config_from_text
from .conversion import Conversion
from .io import (
    CheckpointError,
    checkpoint_hash,
    is_web_address,
    load_checkpoint_file,
    register_loaders,
    save_atomic,
    state_dict_of,
)
from .loader import LoadReport, has_nan, load_encoder, load_full, match_weights
from .official import convert_file, convert_official

register_loaders()

__all__ = [
    'CheckpointError',
    'Conversion',
    'LoadReport',
    'checkpoint_hash',
    'config_from_checkpoint',
    'config_from_text',
    'convert_file',
    'convert_official',
    'has_nan',
    'is_web_address',
    'load_checkpoint_file',
    'load_encoder',
    'load_full',
    'match_weights',
    'register_loaders',
    'save_atomic',
    'state_dict_of',
]
