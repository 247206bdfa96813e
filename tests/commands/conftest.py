import pytest

from helpers.tiny_run import make_config


@pytest.fixture(scope='session')
def tiny_config(tmp_path_factory):
    """Path of a config that trains in seconds; see helpers/tiny_run.py."""
    return make_config(tmp_path_factory.mktemp('tiny'))
