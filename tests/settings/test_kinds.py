"""Which test a config asks for, and which options go with it."""

import pytest
from mmengine.config import Config

from mmssl_video.apis import testing
from mmssl_video.commands.test import parser
from mmssl_video.settings.kinds import KINDS, check_taken, kind_of


@pytest.mark.parametrize(
    'parts, key',
    [
        (dict(evaluation=dict()), 'evaluation'),
        (dict(surprise=dict(dataset='Oops')), 'surprise'),
        (dict(model=dict(), classification=dict(protocol='scratch')), 'classification'),
        (dict(model=dict(), unintentional=dict()), 'unintentional'),
        (dict(model=dict(), evaluation=None), ''),
    ],
)
def test_kind_is_told_by_a_part_of_the_config(parts, key):
    assert kind_of(Config(parts)).key == key


def test_every_kind_is_run_and_its_options_exist():
    assert set(testing._RUNS) == {kind.key for kind in KINDS}
    options = {option for action in parser()._actions for option in action.option_strings}
    for kind in KINDS:
        assert kind.takes <= options


def test_unused_option_names_the_configs_that_use_it():
    cfg = Config(dict(surprise=dict()))
    check_taken(cfg, ['--device'])
    with pytest.raises(ValueError, match='^--dump, --no-baselines is for configs with an evalua'):
        check_taken(cfg, ['--dump', '--no-baselines'])
    with pytest.raises(ValueError, match='^--device is for configs with an evaluation or surprise'):
        check_taken(Config(dict(model=dict())), ['--device'])
