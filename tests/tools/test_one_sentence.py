"""What a user may get wrong ends in one sentence, whatever tool it is."""

import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from mmengine.config import Config

from helpers.tiny_run import REPO, environment, last_line, make_config, run, run_stages
from mmssl_video.apis.quickstart import check_method, own_data, run_quickstart
from mmssl_video.commands import errors
from mmssl_video.datasets.errors import TooManyBadVideosError
from mmssl_video.evaluation import get_protocol
from mmssl_video.results.records import read_results
from mmssl_video.results.result_files import load_result_file
from mmssl_video.settings.checks import check_lists
from mmssl_video.settings.load import load_config

DIST = REPO / 'tools' / 'dist_train.sh'
MEMDPC_LIST = 'mmssl prepare kinetics400 DOWNLOADED_VIDEOS data/kinetics400'


def said(error) -> str:
    """The sentence of an error that is meant for the user."""
    assert errors.is_explicit(error.value), 'it would end in a traceback'
    return errors.sentence(error.value)


def test_memdpc_without_data_names_the_command_that_makes_the_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        check_lists(load_config('memdpc_k400'))
    assert f'write it with {MEMDPC_LIST} (one' in said(error)


@pytest.mark.parametrize(
    ('path', 'command'),
    [
        ('data/ucf101/train_split1.txt', 'mmssl prepare ucf101 DOWNLOADED_VIDEOS data/ucf101'),
        ('data/demo/train.txt', 'mmssl demo-videos data/demo'),
        ('own/train.txt', 'write it (one'),
    ],
)
def test_lists_of_other_data_sets(path, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match='is not there') as error:
        check_lists(Config(dict(train_dataloader=dict(dataset=dict(ann_file=path, pipeline=[])))))
    assert command in said(error)


@pytest.mark.parametrize(
    ('line', 'words'),
    [
        ('model = dict(depth=undefined)', "name 'undefined' is not defined"),
        ('model = dict(depth=_base_.nothing)', 'nothing'),
        ('model = 1 / 0', 'division by zero'),
        ("model = 'a' + 1", 'concatenate'),
        ('model = [][3]', 'list index out of range'),
    ],
)
def test_code_of_a_config_that_fails(tmp_path, line, words):
    file = tmp_path / 'own.py'
    file.write_text(f"_base_ = 'mmssl_video::memdpc_demo'\n{line}\n")
    with pytest.raises(ValueError) as error:
        load_config(file)
    assert said(error).startswith(f'{file}, or a config it inherits from, cannot be read: ')
    assert words in said(error)


@pytest.mark.parametrize('name', ['sstl_demo.py', 'byol_demo.py'])
def test_quickstart_with_a_method_that_it_cannot_judge(name):
    with pytest.raises(ValueError) as error:
        check_method(name)
    assert said(error).startswith(f'--config {name}: quickstart judges')


@pytest.mark.parametrize('name', ['memdpc_demo.py', 'dpc_demo.py'])
def test_quickstart_with_one_that_it_can(name):
    check_method(name)


@pytest.mark.parametrize('wrong', [dict(epochs=0), dict(seed=-1), dict(seed=2**32)])
def test_quickstart_out_of_range(tmp_path, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        run_quickstart(out=tmp_path / 'out', **wrong)
    assert not (tmp_path / 'out').exists()


def test_quickstart_names_its_own_option(tmp_path):
    (tmp_path / 'taken').write_text('')
    with pytest.raises(OSError, match='give another one with --out'):
        run_quickstart(out=tmp_path / 'taken' / 'below')


@pytest.mark.parametrize(('count', 'enough'), [(2, False), (3, False), (4, True), (5, True)])
def test_a_flat_folder_of_few_videos(tmp_path, count, enough):
    for number in range(count):
        (tmp_path / f'{number}.mp4').write_bytes(b'')
    if enough:
        data = own_data(tmp_path, tmp_path / 'lists', 0)
        assert min(data['num_train'], data['num_test']) >= 2
        assert data['num_train'] + data['num_test'] == count
    else:
        with pytest.raises(ValueError, match='takes at least 2 each'):
            own_data(tmp_path, tmp_path / 'lists', 0)


@pytest.mark.parametrize(
    ('protocol', 'options', 'words'),
    [
        ('knn/cosine', dict(k=0), 'k must be a whole number greater than 0, not 0'),
        ('knn/cosine', dict(k=2.5), 'k must be a whole number'),
        ('knn/weighted', dict(temperature=0), 'temperature must be a number greater than 0'),
        ('knn/weighted', dict(temperature=float('nan')), 'temperature must be a number'),
        ('retrieval/context-mean-cosine', dict(ks=(1, 0)), 'ks must be a whole number'),
        ('retrieval/context-mean-cosine', dict(ks=5), 'ks must be a list'),
        ('retrieval/context-mean-cosine', dict(centred=1), 'centred must be True or False'),
        ('linear/cached', dict(folds=0), 'folds must be a whole number greater than 0'),
        ('linear/cached', dict(penalties=[-1.0]), 'penalties must be a number at least 0'),
        ('linear/cached-grid', dict(learning_rates=['fast']), 'learning_rates must be a number'),
    ],
)
def test_options_of_protocols_are_checked_before_any_feature(protocol, options, words):
    with pytest.raises(ValueError) as error:
        get_protocol(protocol).check_options(options)
    assert words in said(error)


def test_deeply_nested_json(tmp_path):
    file = tmp_path / 'results.json'
    file.write_text('[' * 100_000 + ']' * 100_000)
    with pytest.raises(ValueError) as error:
        read_results(file)
    assert 'results.json is not a JSON results file' in said(error)
    npz = tmp_path / 'scores.npz'
    np.savez(npz, kind='class scores', info=file.read_text())
    with pytest.raises(ValueError) as error:
        load_result_file(npz)
    assert 'is no result file' in said(error)


def test_a_data_prefix_that_is_a_path(tmp_path):
    from mmssl_video.datasets import VideoListDataset

    with pytest.raises(ValueError) as error:
        VideoListDataset('list.txt', [], data_prefix='/videos')
    assert said(error).endswith('set data_prefix.video=/videos')


def test_too_many_bad_videos_of_a_worker():
    """torch raises the error of a worker anew, without the worker's frames."""
    text = (
        'Caught TooManyBadVideosError in DataLoader worker process 0.\nOriginal Traceback (most '
        'recent call last):\n  File "x.py", line 3, in f\n    raise TooManyBadVideosError(\n'
        'mmssl_video.datasets.errors.TooManyBadVideosError: 3 of the 8 videos cannot be used\n'
    )
    try:
        raise TooManyBadVideosError(text)  # in a file that is not ours
    except TooManyBadVideosError as error:
        assert errors.is_explicit(error)
        assert errors.sentence(error) == '3 of the 8 videos cannot be used'


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """``{case: (exit code, output)}`` of train.py."""
    folder = tmp_path_factory.mktemp('one_sentence')
    make_config(folder)
    (folder / 'bad').mkdir()
    make_config(folder / 'bad')
    for number in range(4):
        (folder / 'bad' / 'videos' / f'video {number}.mp4').write_bytes(b'no video')
    loader = 'train_dataloader'
    cases = {
        'bad videos': f'bad/tiny.py --cfg-options {loader}.num_workers=1',
        'no validation': 'tiny.py --cfg-options train_cfg.val_interval=0',
        'no workers': f'tiny.py --work-dir done --cfg-options {loader}.persistent_workers=True '
        f'{loader}.prefetch_factor=2 val_dataloader.persistent_workers=True',
        'finished': 'tiny.py --work-dir done --resume',
        'path as prefix': f'tiny.py --cfg-options {loader}.dataset.data_prefix=/path',
        'slip': 'tiny.py --cfg-options optimizer.lr=0.5',
    }
    stages = [dict(args=args.split(), env={}, log=f'{case}.log') for case, args in cases.items()]
    codes = run_stages(stages, folder)
    return {case: (code, (folder / f'{case}.log').read_text()) for case, code in zip(cases, codes)}


@pytest.mark.parametrize(
    ('case', 'words'),
    [
        ('bad videos', 'of the 8 videos in'),
        ('no validation', 'train_cfg.val_interval must be a whole number of at least 1, not 0'),
        ('path as prefix', "data_prefix must be dict(video=FOLDER), not '/path'"),
        ('slip', 'did you mean optim_wrapper.optimizer.lr?'),
    ],
)
def test_train_ends_in_one_sentence(runs, case, words):
    code, output = runs[case]
    assert code == 1 and 'Traceback' not in output, output
    assert words in last_line(output) and last_line(output).startswith('error: ')


def test_no_workers_need_nothing_else_to_be_set(runs):
    code, output = runs['no workers']
    assert code == 0 and 'Epoch(train) [2]' in output, output


def test_resuming_a_finished_run_says_so(runs):
    code, output = runs['finished']
    assert code == 0 and 'Epoch(train)' not in output, output
    assert 'epoch_2.pth has all 2 epochs of this run: there is nothing left to train' in output


@pytest.mark.parametrize('port', ['0', '70000', 'abc', 'x[$(touch ran)]'])
def test_an_impossible_port(tmp_path, port):
    done = run(DIST, 'configs/demo/dpc_demo.py', 1, cwd=tmp_path, PORT=port)
    assert done.returncode == 2
    assert last_line(done.stdout) == f"error: PORT must be a number from 1 to 65535, not '{port}'"
    assert not (tmp_path / 'ran').exists()


def test_a_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run(DIST, 'configs/demo/dpc_demo.py', 1, cwd=tmp_path, PORT=port)
    assert done.returncode == 2 and 'Traceback' not in done.stdout, done.stdout
    assert 'cannot be used (in use): set PORT to a free port' in last_line(done.stdout)


@pytest.mark.parametrize(
    ('number', 'sentence', 'code'),
    [
        (signal.SIGINT, 'error: interrupted', 130),
        (signal.SIGTERM, 'error: ended by signal 15', 143),
    ],
)
def test_a_signal_to_the_launcher(tmp_path, number, sentence, code):
    (tmp_path / 'waits.py').write_text(
        'import pathlib, time\n'
        'from mmssl_video.commands import errors\n'
        'def main():\n'
        '    pathlib.Path("started").touch()\n'
        '    time.sleep(100)\n'
        'errors.run(main)\n'
    )
    process = subprocess.Popen(
        [sys.executable, REPO / 'tools' / 'lib' / 'launch.py', '--standalone']
        + ['--nproc_per_node=1', 'waits.py'],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.time() + 60
    while not (tmp_path / 'started').exists() and time.time() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, number)  # as a terminal does
    output, _ = process.communicate(timeout=60)
    assert 'Traceback' not in output, output
    assert last_line(output) == sentence
    assert process.returncode == code
