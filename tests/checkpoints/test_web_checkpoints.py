"""Checkpoints at web addresses: two addresses never share a file, whatever they end in."""

import functools
import http.server
import threading
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader

from mmssl_video.apis import build_encoder
from mmssl_video.checkpoints import (
    CheckpointError,
    checkpoint_hash,
    convert_file,
    load_checkpoint_file,
)
from mmssl_video.settings.pretrained import check_pretrained
from mmssl_video.settings.start import check_checkpoint, choose_start

CONFIG = Path(__file__).parents[2] / 'configs/demo/memdpc_demo.py'


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, ``?which=NAME`` from a folder of that name, and one file cut short."""

    def translate_path(self, path):
        path, _, which = path.partition('?which=')
        return super().translate_path(f'/{which}{path}' if which else path)

    def send_header(self, keyword, value):
        is_cut = keyword == 'Content-Length' and 'cut' in self.path
        super().send_header(keyword, str(int(value) + 7) if is_cut else value)

    def log_message(self, *args):
        pass


@pytest.fixture
def web(tmp_path, monkeypatch):
    """The address of a folder with a/model.pth, b/model.pth and c/model.pth, all different."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    monkeypatch.delenv('http_proxy', raising=False)
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    config = Config.fromfile(CONFIG)
    encoder = build_encoder('random', config)
    for number, name in enumerate('abc'):
        for weight in encoder.model.parameters():
            weight.data.fill_(number)
        (tmp_path / 'served' / name).mkdir(parents=True)
        torch.save(
            dict(
                state_dict=encoder.model.state_dict(),
                meta=dict(cfg=config.pretty_text, epoch=number, iter=number),
                optimizer={},
                message_hub={},
            ),
            tmp_path / 'served' / name / 'model.pth',
        )
    handler = functools.partial(Handler, directory=str(tmp_path / 'served'))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    thread.join()
    server.server_close()


def number_of(checkpoint):
    return float(
        next(v for k, v in checkpoint['state_dict'].items() if k.endswith('conv1.weight')).max()
    )


@pytest.mark.parametrize(
    'load',
    [
        load_checkpoint_file,
        CheckpointLoader.load_checkpoint,  # what load_from and resume of mmengine's Runner call
        lambda address: dict(state_dict=build_encoder(address).model.state_dict()),
    ],
    ids=['ours', 'mmengine', 'build_encoder'],
)
def test_addresses_of_the_same_file_name_are_different_files(web, load):
    addresses = [
        f'{web}/a/model.pth',
        f'{web}/b/model.pth',
        f'{web}/model.pth?which=c',
        f'{web}/model.pth?which=a',
    ]
    for _ in range(2):  # downloaded, then from the copies
        for address, number in zip(addresses, (0, 1, 2, 0)):
            assert number_of(load(address)) == number
    hashes = [checkpoint_hash(address) for address in addresses]
    assert len(set(hashes)) == 3
    copies = list((Path(torch.hub.get_dir()) / 'checkpoints').iterdir())
    assert len(copies) == 4 and all(copy.name.startswith('model-') for copy in copies)


def test_the_copy_is_named(web, monkeypatch):
    said = []
    monkeypatch.setattr('mmssl_video.checkpoints.io.print_log', lambda text, *_: said.append(text))
    for words in ('is downloaded to', 'the copy'):
        load_checkpoint_file(f'{web}/a/model.pth')
        copy = next((Path(torch.hub.get_dir()) / 'checkpoints').iterdir())
        assert all(each in said[-1] for each in (words, f'{web}/a/model.pth', str(copy)))
    assert len(said) == 2


@pytest.mark.parametrize('how', ['pretrained', 'resume'])
def test_what_a_run_begins_with(web, how, tmp_path):
    for name, number in (('a', 0), ('b', 1)):
        cfg = Config.fromfile(CONFIG)
        cfg.work_dir = str(tmp_path)
        address = f'{web}/{name}/model.pth'
        model = build_encoder('random', cfg).model
        if how == 'resume':
            choose_start(cfg, address)
            check_checkpoint(model, cfg.load_from, resume=True)
            assert {float(weight.max()) for weight in model.parameters()} == {number}
        else:
            cfg.load_from, cfg.classification = address, dict(protocol='finetune')
            check_pretrained(cfg)
            assert cfg.pretrained.hash == checkpoint_hash(tmp_path / 'served' / name / 'model.pth')
        assert cfg.load_from == address


def test_conversion_reads_the_address_it_names(web, tmp_path):
    for name in 'ab':
        with pytest.raises(CheckpointError, match=f'/{name}/none.pth cannot be downloaded.*404'):
            convert_file(f'{web}/{name}/none.pth', tmp_path / 'out.pth', 'dpc')
    with pytest.raises(CheckpointError, match='model-[0-9a-f]{16}.pth'):  # read, and of our layout
        convert_file(f'{web}/a/model.pth', tmp_path / 'out.pth', 'dpc')


@pytest.mark.parametrize(
    'path, why', [('gone/model.pth', '404'), ('a/model.pth?cut', 'cut short at')]
)
def test_a_failed_download_is_one_sentence_and_leaves_nothing(web, path, why):
    for _ in range(2):  # nothing is taken for the file the second time
        with pytest.raises(CheckpointError, match=f'cannot be downloaded to .*{why}') as caught:
            load_checkpoint_file(f'{web}/{path}')
        assert '\n' not in str(caught.value)
    assert not list((Path(torch.hub.get_dir()) / 'checkpoints').iterdir())
