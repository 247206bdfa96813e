"""Shared fixtures of the tests."""

import os
from pathlib import Path

import pytest

import mmssl_video  # noqa: F401  (must come before any mmaction import)


@pytest.fixture(scope='session')
def shared_data():
    """Folder with optional real data (``videos/``, ``parity/``); skips the test without it."""
    root = Path(os.environ.get('MMSSL_TEST_DATA') or Path(__file__).resolve().parents[2] / 'shared')
    if not root.is_dir():
        pytest.skip('optional test data are not there: MMSSL_TEST_DATA may name their folder')
    return root
