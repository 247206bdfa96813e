"""Checkpoint files: nothing but data comes out, and every bad file gets one clear sentence."""

import functools
import http.server
import os
import pickle
import re
import subprocess
import threading
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.runner.checkpoint import load_checkpoint as mmengine_load

from mmssl_video.checkpoints import (
    CheckpointError,
    checkpoint_hash,
    load_checkpoint_file,
    save_atomic,
    state_dict_of,
)

pytestmark = pytest.mark.compat

CONTAINERS = pytest.mark.parametrize('is_zip', [True, False], ids=['zip', 'before-torch-1.6'])


class Call:
    """Pickles as a call: what a malicious checkpoint does."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def save(checkpoint, path, is_zip=True):
    torch.save(checkpoint, path, _use_new_zipfile_serialization=is_zip)
    return path


def refusal(path):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint_file(path)
    message = str(caught.value)
    assert str(path) in message and '\n' not in message and len(message) < 600
    assert 'weights_only` set to `False`' not in message  # torch's advice to open the door
    return message


@CONTAINERS
def test_reads_what_mmengine_and_the_authors_write(tmp_path, is_zip):
    parameter = torch.nn.Parameter(torch.randn(3, 2))
    parameter.grad = torch.ones(3, 2)
    optimizer = torch.optim.Adam([parameter])
    optimizer.step()
    path = save(
        dict(
            state_dict=OrderedDict(weight=parameter.detach()),
            optimizer=optimizer.state_dict(),
            best_acc=np.float64(0.25),
            epoch=np.int64(3),
            net='resnet18',
            history=np.arange(4.0),
            message_hub=dict(log_scalars=OrderedDict(loss=HistoryBuffer([1.0, 3.0], [1, 1]))),
        ),
        tmp_path / 'a.pth.tar',
        is_zip,
    )
    checkpoint = load_checkpoint_file(path)
    assert torch.equal(checkpoint['state_dict']['weight'], parameter)
    assert checkpoint['best_acc'] == 0.25 and checkpoint['epoch'] == 3
    assert checkpoint['history'].tolist() == [0, 1, 2, 3]
    buffer = checkpoint['message_hub']['log_scalars']['loss']
    assert buffer.mean() == 2 and buffer.statistics('max') == 3
    moments = optimizer.state_dict()['state'][0]['exp_avg']
    assert torch.equal(checkpoint['optimizer']['state'][0]['exp_avg'], moments)


def running(marker):
    """Objects whose plain unpickling creates the file ``marker``."""
    touch = f'open({str(marker)!r}, "w").close()'
    return dict(
        system=(Call(os.system, f'touch {marker}'), r'asks for `\w+\.system`'),
        eval=(Call(eval, touch), r'asks for `(builtins\.)?eval`'),
        exec=(Call(exec, touch), r'asks for `(builtins\.)?exec`'),
        popen=(Call(subprocess.check_call, ['touch', str(marker)]), r'asks for `\w+\.check_call`'),
        path=(Call(Path.touch, marker), 'restricted getattr|asks for `pathlib'),
        numpy=(Call(np.save, str(marker), np.zeros(1)), 'asks for `numpy'),
    )


@CONTAINERS
@pytest.mark.parametrize('name', sorted(running(Path())))
def test_refuses_code(tmp_path, name, is_zip):
    marker = tmp_path / 'marker'
    evil, sentence = running(marker)[name]
    path = save(dict(state_dict=dict(weight=torch.ones(2)), extra=evil), tmp_path / 'a', is_zip)
    assert re.search(f'refused.*({sentence})', refusal(path))
    with pytest.raises(CheckpointError, match='refused'):  # what resume and load_from call
        CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    with pytest.raises(CheckpointError, match='refused'):
        mmengine_load(torch.nn.Linear(2, 2), str(path))
    assert not list(tmp_path.glob('marker*'))
    torch.load(path, weights_only=False)  # the file does run code where it is let
    assert list(tmp_path.glob('marker*'))


def raw_pickle(*opcodes):
    return b'\x80\x02' + b''.join(opcodes) + b'.'


HISTORY = b'cmmengine.logging.history_buffer\nHistoryBuffer\n'
GETATTR = b'c__builtin__\ngetattr\n'


def text(value):
    return b'X' + len(value).to_bytes(4, 'little') + value.encode()


@pytest.mark.parametrize(
    'opcodes',
    [
        # getattr(HistoryBuffer, '__init__')
        (GETATTR, HISTORY, text('__init__'), b'\x86R'),
        # getattr(HistoryBuffer.mean, '__globals__'), through an attribute that is allowed
        (GETATTR, GETATTR, HISTORY, text('mean'), b'\x86R', text('__globals__'), b'\x86R'),
        # getattr(numpy.ndarray, 'tofile')
        (GETATTR, b'cnumpy\nndarray\n', text('tofile'), b'\x86R'),
        # HistoryBuffer.mean() called while reading
        (GETATTR, HISTORY, text('mean'), b'\x86R', HISTORY, b')\x81\x85R'),
        # getattr under the name of Python 3, with a default
        (b'cbuiltins\ngetattr\n', HISTORY, text('nothing'), b'N\x87R'),
        # numpy's _reconstruct for a class that is no array
        (b'cnumpy.core.multiarray\n_reconstruct\n', HISTORY, b'K\x00\x85', text('b'), b'\x87R'),
    ],
    ids=['init', 'globals', 'ndarray', 'call', 'default', 'reconstruct'],
)
def test_allowed_names_open_no_door(tmp_path, opcodes):
    path = tmp_path / 'a.pth'
    path.write_bytes(raw_pickle(*opcodes))
    said = 'restricted getattr|recognized function|rebuild|argument'
    with pytest.raises((pickle.UnpicklingError, TypeError), match=said):
        torch.load(path, weights_only=True)  # the allowed names alone, without our sentences
    refusal(path)


@CONTAINERS
def test_truncated(tmp_path, is_zip):
    whole = save(
        dict(state_dict=dict(a=torch.randn(40, 40), b=torch.randn(3)), n=np.float64(1)),
        tmp_path / 'whole',
        is_zip,
    ).read_bytes()
    path = tmp_path / 'a.pth'
    lengths = [
        *range(1, 700, 23),
        *(len(whole) * part // 13 for part in range(1, 13)),
        len(whole) - 1,
    ]
    for length in lengths:
        path.write_bytes(whole[:length])
        message = refusal(path)
        assert 'truncated' in message or length < 4 and 'begins with' in message, message


def test_damaged(tmp_path):
    """A flipped bit either leaves a readable file or gives the one kind of error."""
    whole = save(dict(state_dict=dict(a=torch.randn(4))), tmp_path / 'whole', False).read_bytes()
    path = tmp_path / 'a.pth'
    random = np.random.RandomState(0)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[random.randint(len(whole))] ^= 1 << random.randint(8)
        path.write_bytes(damaged)
        try:
            load_checkpoint_file(path)
        except CheckpointError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    'content, sentence',
    [
        (b'', r'empty \(0 bytes\)'),
        (b'<!DOCTYPE html><html><body>404</body></html>', 'web page'),
        (b'\n<html>', 'web page'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0', 'Git LFS pointer'),
        (b'epoch: 3\n', "begins with b'epoch: 3"),
        (b'\x89PNG\r\n\x1a\n', 'not a PyTorch checkpoint'),
        (pickle.dumps(dict(a=1), protocol=2), 'truncated or damaged'),
        (pickle.dumps(dict(a=1), protocol=4), 'not of the kind that torch.save writes'),
    ],
)
def test_not_a_checkpoint(tmp_path, content, sentence):
    path = tmp_path / 'a.pth'
    path.write_bytes(content)
    assert re.search(sentence, refusal(path))


def test_other_archives(tmp_path):
    path = tmp_path / 'a.pth'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('word/document.xml', 'text')
    assert 'zip file, but not one that torch.save wrote' in refusal(path)
    save(torch.ones(3), path)
    assert 'holds a Tensor' in refusal(path)


def test_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match='missing.pth does not exist'):
        load_checkpoint_file(tmp_path / 'missing.pth')
    (tmp_path / 'epoch_3.pth').write_bytes(b'x')
    assert 'is a directory' in refusal(tmp_path) and 'epoch_3.pth' in refusal(tmp_path)
    for path in (tmp_path, tmp_path / 'missing.pth'):  # the same through mmengine
        with pytest.raises((CheckpointError, FileNotFoundError), match='directory|does not exist'):
            CheckpointLoader.load_checkpoint(str(path))


def test_loader_for_web_addresses(tmp_path, monkeypatch):
    """A downloaded file is read by the same rules."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'hub'))
    monkeypatch.setattr(torch.hub, '_hub_dir', None)
    save(dict(state_dict=dict(a=torch.ones(1))), tmp_path / 'good.pth')
    save(dict(x=Call(os.system, f'touch {tmp_path}/marker')), tmp_path / 'evil.pth')
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *args: None
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_port}'
        assert CheckpointLoader.load_checkpoint(f'{address}/good.pth')['state_dict']['a'] == 1
        with pytest.raises(CheckpointError, match='refused'):
            CheckpointLoader.load_checkpoint(f'{address}/evil.pth')
        server.shutdown()
    assert not (tmp_path / 'marker').exists()


@pytest.mark.parametrize(
    'address',
    [
        's3://bucket/a.pth',
        'open-mmlab:s3://bucket/a.pth',
        'petrel://bucket/a.pth',
        'pavi://a/b',
        'torchvision://resnet18',
        'modelzoo://resnet18',
        'open-mmlab://i3d',
        'openmmlab://i3d',
        'mmcls://resnet18',
        'gs://bucket/a.pth',
    ],
)
def test_storages_and_model_zoos_are_refused(address):
    """mmengine's own loaders of these would read a pickle without weights_only."""
    for load in (CheckpointLoader.load_checkpoint, load_checkpoint_file):
        with pytest.raises(CheckpointError, match='download the file and give its path') as caught:
            load(address)
        assert address in str(caught.value) and '\n' not in str(caught.value)


def test_every_loader_of_mmengine_is_ours():
    assert {loader.__module__ for loader in CheckpointLoader._schemes.values()} == {
        'mmssl_video.checkpoints.io'
    }


def test_state_dict_of():
    weights = {'module.module.a.weight': torch.ones(2), 'module.module.b': torch.ones(1)}
    for checkpoint in (weights, dict(state_dict=weights, epoch=3)):
        assert list(state_dict_of(checkpoint)) == ['a.weight', 'b']
    assert list(state_dict_of({'module.a': torch.ones(1), 'b': torch.ones(1)})) == ['module.a', 'b']
    for wrong, sentence in (
        (dict(state_dict={}), 'empty'),
        (dict(state_dict=[1]), 'a list'),
        (dict(epoch=3, meta={}), 'epoch, meta in its state dict are not'),
    ):
        with pytest.raises(CheckpointError, match=sentence):
            state_dict_of(wrong, 'x.pth')


def test_save_atomic(tmp_path, monkeypatch):
    path = tmp_path / 'a.pth'
    save_atomic(dict(state_dict=dict(a=torch.ones(1))), path)
    before, name = path.read_bytes(), checkpoint_hash(path)
    assert len(name) == 16 and int(name, 16) >= 0

    def dies(checkpoint, file):
        file.write(b'half')
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, 'save', dies)
    with pytest.raises(KeyboardInterrupt):
        save_atomic(dict(state_dict=dict(a=torch.zeros(1))), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ['a.pth']
    assert checkpoint_hash(path) == name
    path.write_bytes(before + b'x')
    assert checkpoint_hash(path) != name
