"""tools/test.py and tools/extract_features.py as typed, in processes of their own."""

import json
import re
import sys

import numpy as np
import pytest
import torch

from helpers.probe_set import make_probe_set, save_checkpoint
from helpers.tiny_run import REPO, last_line, run
from mmssl_video.commands import errors
from mmssl_video.commands.test import main

pytestmark = pytest.mark.compat


@pytest.fixture(scope='module')
def probe_set(tmp_path_factory):
    return make_probe_set(tmp_path_factory.mktemp('tool'))


def tool(name, *arguments, cwd):
    return run(sys.executable, REPO / 'tools' / name, *arguments, cwd=cwd)


def test_a_probe_prints_a_table_and_writes_json(probe_set, tmp_path):
    done = tool(
        'test.py',
        probe_set.config,
        probe_set.checkpoint,
        '--out',
        'r.json',
        '--cfg-options',
        'evaluation.protocol.1.k=5',
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert 'keys loaded' in done.stdout  # what became of the checkpoint
    for words in ('7 queries (query.txt)', 'chance', 'motion map', 'encoder.pth'):
        assert words in done.stdout
    assert last_line(done.stdout) == 'results are in r.json'
    written = json.loads((tmp_path / 'r.json').read_text())
    assert {r['options'].get('k') for r in written if r['protocol'] == 'knn/cosine'} == {5}


def test_ssl_validation_of_a_pretraining_config(probe_set, tmp_path):
    done = tool(
        'test.py', probe_set.pretraining, probe_set.checkpoint, '--work-dir', 'w', cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout
    [record] = json.loads((tmp_path / 'w' / 'results.json').read_text())
    assert record['protocol'] == 'loop/val' and record['num_queries'] == 4
    assert 0 <= record['metrics']['ssl/top1']['value'] <= 1
    assert record['metrics']['ssl/loss']['value'] > 0
    # One batch of 4 clips, 2 predicted steps, 1 place at 32 pixels.
    assert record['metrics']['ssl/num_negatives']['value'] == 4 * 2 * 1 - 1
    assert record['unit'] == 'fraction'
    assert record['chance'] == pytest.approx(
        {'chance': 1 / 8, 'knows only the clip': 1 / 2, 'knows clip and place, not time': 1 / 2}
    )
    for words in (r'ssl/top1 +0\.\d{4}', r'chance +0\.1250', r'knows only the clip +0\.5000'):
        assert re.search(words, done.stdout), words
    assert not list((tmp_path / 'w').glob('*.pth'))  # hooks of training keep still


@pytest.mark.parametrize(
    'epoch, option, steps', [(150, None, 1), (151, None, 2), (151, 1, 1), (0, None, 1)]
)
def test_ssl_validation_predicts_as_in_the_epoch_of_a_curriculum(
    probe_set, tmp_path, capsys, epoch, option, steps
):
    """The config in the file says what training began with."""
    file = tmp_path / 'epoch.pth'
    save_checkpoint(
        probe_set.pretraining,
        file,
        **{
            'model.pred_steps': 1,
            'custom_hooks': [dict(type='PredictionStepsHook', schedule={0: 1, 150: 2})],
        },
    )
    contents = torch.load(file, weights_only=True)
    contents['meta']['epoch'] = epoch
    torch.save(contents, file)
    options = ['--cfg-options', f'model.pred_steps={option}'] if option else []
    main([str(probe_set.pretraining), str(file), '--work-dir', str(tmp_path / 'w'), *options])
    [record] = json.loads((tmp_path / 'w' / 'results.json').read_text())
    assert record['metrics']['ssl/num_negatives']['value'] == 4 * steps - 1
    assert record['chance']['knows only the clip'] == 1 / steps
    assert (
        'of epoch 151 of a curriculum: the model predicts 2 blocks' in ''.join(capsys.readouterr())
    ) == (steps == 2)


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['{config}', 'random'], "'random' needs a config"),
        (['{config}', 'nowhere.pth'], 'checkpoint nowhere.pth does not exist'),
        (['nowhere.py', '{checkpoint}'], "config 'nowhere.py' does not exist"),
        (['{config}', '{checkpoint}', '--out', '{videos}'], 'is a directory: name a file'),
        (
            ['{config}', '{checkpoint}', '--out', '{checkpoint}/r.json'],
            'cannot be written to (File exists); give another one with --out',
        ),
        (
            ['{pretraining}', '{checkpoint}', '--device', 'cpu'],
            '--device is for configs with an eval',
        ),
    ],
    ids=['random', 'checkpoint', 'config', 'out', 'out below a file', 'option'],
)
def test_mistakes_end_in_one_sentence(probe_set, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        errors.run(lambda: main([a.format(**vars(probe_set)) for a in arguments]))
    assert stop.value.code == 1
    printed = ''.join(capsys.readouterr())
    assert last_line(printed).startswith('error: ') and words in last_line(printed)
    assert 'Traceback' not in printed


def test_features_of_at_most_so_many_windows(probe_set, tmp_path):
    done = tool(
        'extract_features.py',
        probe_set.checkpoint,
        probe_set.videos,
        '--out',
        'f.npz',
        '--max-windows',
        '2',
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert '(at most 2 sliding windows of 8 frames' in last_line(done.stdout)
    with np.load(tmp_path / 'f.npz') as file:
        assert set(file['windows']) == {1, 2}


def test_features_of_a_folder(probe_set, tmp_path):
    done = tool(
        'extract_features.py',
        probe_set.checkpoint,
        probe_set.videos,
        '--out',
        'f.npz',
        '--num-windows',
        '2',
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert '20 features of 16 dimensions (2 uniform windows of 8 frames' in last_line(done.stdout)
    with np.load(tmp_path / 'f.npz') as file:
        assert file['features'].shape == (20, 16) and set(file['windows']) == {2}
        assert json.loads(str(file['protocol']))['encoder'] == 'encoder.pth'
