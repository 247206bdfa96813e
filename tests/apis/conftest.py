import pytest

from helpers.probe_set import make_probe_set


@pytest.fixture(scope='session')
def probe_set(tmp_path_factory):
    """Videos, checkpoint and configs for probing; see helpers/probe_set.py."""
    return make_probe_set(tmp_path_factory.mktemp('probe_set'))
