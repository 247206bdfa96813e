"""Every tool refuses an encoder that gives no numbers, and writes nothing of it."""

import json

import numpy as np
import pytest
import torch

from mmssl_video.apis import (
    analyse_similarity,
    build_encoder,
    extract_features,
    picture_memory,
    run_evaluation,
    run_surprise,
)
from mmssl_video.results.records import append_results, read_results

TOOLS = dict(
    features=lambda probe, path, out: extract_features(build_encoder(path), str(probe.videos)).save(
        out / 'features.npz'
    ),
    evaluation=lambda probe, path, out: run_evaluation(probe.config, path, out=out / 'r.json'),
    similarity=lambda probe, path, out: analyse_similarity(
        [build_encoder(path)], str(probe.query), str(probe.videos), out / 'similarity.png'
    ),
    surprise=lambda probe, path, out: run_surprise(path, probe.videos, out=out),
    memory=lambda probe, path, out: picture_memory([path], probe.query, out / 'memory.png'),
)


def diverged(probe, folder, change):
    """A checkpoint whose weights were changed."""
    checkpoint = torch.load(probe.checkpoint, weights_only=False)
    for key, value in checkpoint['state_dict'].items():
        if value.is_floating_point() and key.startswith('backbone.') and value.ndim > 1:
            change(value)
    torch.save(checkpoint, folder / 'diverged.pth')
    return folder / 'diverged.pth'


@pytest.mark.parametrize('tool', TOOLS)
def test_weights_of_nan_are_refused(probe_set, tmp_path, tool):
    path = diverged(probe_set, tmp_path, lambda value: value.fill_(torch.nan))
    (tmp_path / 'out').mkdir()
    with pytest.raises(ValueError, match=r'diverged\.pth is of a run that diverged: \d+ of its'):
        TOOLS[tool](probe_set, path, tmp_path / 'out')
    assert not list((tmp_path / 'out').iterdir())


@pytest.mark.parametrize('tool', ['features', 'evaluation', 'similarity', 'surprise'])
def test_features_that_are_no_numbers_are_refused(probe_set, tmp_path, tool):
    """Finite weights, so large that what they give is not."""
    path = diverged(probe_set, tmp_path, lambda value: value.fill_(1e30))
    (tmp_path / 'out').mkdir()
    with pytest.raises(ValueError, match=r'features of .*diverged.* are NaN or infinite'):
        TOOLS[tool](probe_set, path, tmp_path / 'out')
    assert not [p for p in (tmp_path / 'out').iterdir() if p.suffix in ('.npz', '.json', '.png')]


def test_results_are_valid_json(tmp_path):
    file = tmp_path / 'results.json'
    record = dict(protocol='p', details=dict(a=float('nan'), b=[np.inf, 1.0], c='NaN'))
    append_results(file, [record])

    def refuse(name):
        raise AssertionError(f'{name} is no JSON')

    [written] = json.loads(file.read_text(), parse_constant=refuse)
    assert written['details'] == dict(a=None, b=[None, 1.0], c='NaN')
    assert read_results(file) == [written]
