"""Tables of the pages name what the code has: figures that are logged, and protocols."""

import copy
import re
from pathlib import Path

import pytest
from mmaction.registry import MODELS

from helpers.configs import PROTOCOLS, read
from helpers.documents import REPO
from helpers.minimal_parts import METHODS, PREDICTORS, batch_for
from mmssl_video.evaluation.registry import list_protocols
from mmssl_video.models.recognizers.self_supervised import TrainingRun


def first_column(page, heading):
    """What stands between backticks in the first cells of the table under a heading."""
    section = (REPO / 'docs' / page).read_text().split(heading, 1)[1].split('\n## ')[0]
    cells = re.findall(r'^\| ([^|]*`[^|]*) \|', section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r'`([^`]+)`', cell)}


def logged(name, folder, **changes):
    model = MODELS.build(copy.deepcopy({**METHODS[name], **changes})).train()
    model.before_training(TrainingRun(0, 0.0, 0, Path(folder), lambda: ['a', 'b', 'c', 'd']))
    batch = batch_for(model.needs(METHODS[name]))
    model.loss(*batch)
    model.after_step(0.0)  # a bank answers from its second step on
    return set(model.loss(*batch))


def test_whatever_a_method_logs_is_explained_and_nothing_else(tmp_path):
    explained = first_column('methods.md', '## What is logged')
    written = set().union(*(logged(name, tmp_path) for name in METHODS))
    memory = dict(METHODS['DensePredictiveCoding']['predictor'], type='CompressiveMemory')
    memory.update(PREDICTORS['CompressiveMemory'])
    written |= logged('DensePredictiveCoding', tmp_path, predictor=memory)
    written = {re.sub(r'^(forward|backward)/.*', r'\1/...', key) for key in written}
    by_hooks = {'loss', 'data_share', 'pred_steps', 'forward/...', 'backward/...'}
    in_text = {key for key in explained if not re.match(r'(forward|backward)/(?!\.\.\.)', key)}
    only_maps = {'top1_spatial'}  # of feature maps larger than the smallest parts have
    assert written - in_text == set()
    assert in_text - written - by_hooks - only_maps == set()


def protocol_names(config):
    cfg = read(config)
    for key in ('evaluation', 'classification', 'unintentional', 'surprise'):
        listed = cfg.get(key, {}).get('protocol') or []
        for each in listed if isinstance(listed, (list, tuple)) else [listed]:
            yield each if isinstance(each, str) else each['type']


@pytest.mark.parametrize('config', sorted(set(PROTOCOLS) - {'all'}))
def test_protocols_of_configs_stand_in_the_table(config):
    assert set(protocol_names(config)) <= first_column('protocols.md', '# Protocols')


def test_registered_protocols_stand_in_the_table():
    assert set(list_protocols()) <= first_column('protocols.md', '# Protocols')
