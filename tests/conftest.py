"""Shared fixtures of the tests, and their order."""

import os
from pathlib import Path

import pytest

import mmssl_video  # noqa: F401  (must come before any mmaction import)

# Files that take longest, the longest first. Several processes take files in this order, so that
# none of them is at work long after the others.
LONGEST = (
    'parity/test_parity_fgkvmempred.py',
    'tools/test_quickstart.py',
    'tools/test_online_protocols.py',
    'apis/test_splits.py',
    'evaluation/test_retrieval.py',
    'parity/test_parity.py',
    'apis/test_probe.py',
    'tools/test_oops.py',
    'tools/test_train_errors.py',
)


def pytest_collection_modifyitems(config, items):
    """Long files first where several processes share the work."""
    if not hasattr(config, 'workerinput'):
        return
    rank = {name: number for number, name in enumerate(LONGEST)}
    tests = Path(__file__).parent
    items.sort(key=lambda item: rank.get(item.path.relative_to(tests).as_posix(), len(LONGEST)))


@pytest.fixture(scope='session')
def shared_data():
    """Folder with optional real data (``videos/``, ``parity/``); skips the test without it."""
    root = Path(os.environ.get('MMSSL_TEST_DATA') or Path(__file__).resolve().parents[2] / 'shared')
    if not root.is_dir():
        pytest.skip('optional test data are not there: MMSSL_TEST_DATA may name their folder')
    return root
