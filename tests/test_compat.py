"""Each work-round mends its fault; where upstream has mended it, the test says so."""

import codecs
import importlib.metadata
import importlib.util
import logging
import os
import pickle
import subprocess
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer, MessageHub
from torch import _weights_only_unpickler

from helpers.tiny_run import run
from mmssl_video import compat

pytestmark = pytest.mark.compat


def test_release():
    assert compat._release('2.13.0+cpu') == (2, 13, 0)
    assert compat._release('0.10.7') == (0, 10, 7)
    assert compat._release('2.2') == (2, 2, 0)
    assert compat._release('2.0.0rc4') == (2, 0, 0)
    assert compat._release('1.12.0a0+git') == (1, 12, 0)


def test_drn_stub_lets_mmaction_models_be_imported():
    folder = Path(importlib.util.find_spec('mmaction').submodule_search_locations[0])
    if (folder / 'models' / 'localizers' / 'drn' / 'drn.py').exists():
        pytest.skip('mended upstream: mmaction2 is packaged with its DRN; compat can drop the stub')
    import mmaction.models.localizers as localizers

    with pytest.raises(NotImplementedError, match='packaged without its DRN'):
        localizers.DRN()
    stub = sys.modules['mmaction.models.localizers.drn']
    compat.stub_missing_drn()
    assert sys.modules['mmaction.models.localizers.drn'] is stub, 'a second call must do nothing'


def test_drn_of_a_complete_mmaction_is_left_alone(tmp_path, monkeypatch):
    package = tmp_path / 'mmaction' / 'models' / 'localizers' / 'drn'
    package.mkdir(parents=True)
    (package / 'drn.py').write_text('')
    monkeypatch.setattr(compat, '_folder', lambda name: tmp_path / 'mmaction')
    for name in ('mmaction.models.localizers.drn', 'mmaction.models.localizers.drn.drn'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    compat.stub_missing_drn()
    assert 'mmaction.models.localizers.drn' not in sys.modules


def test_pkg_resources_functions():
    from mmengine import utils

    if importlib.util.find_spec('pkg_resources') is None:
        from mmengine.config import config

        assert utils.is_installed is config.is_installed is compat.is_installed
    assert utils.is_installed('mmaction2') and utils.is_installed('mmaction')
    assert not utils.is_installed('no_such_package')
    import mmaction

    assert utils.get_installed_path('mmaction2') == os.path.dirname(mmaction.__file__)
    assert utils.get_installed_path('mmengine') == os.path.dirname(utils.__path__[0])
    assert compat.package2module('mmaction2') == 'mmaction'
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        compat.get_installed_path('no_such_package')


def test_config_can_inherit_from_mmaction(tmp_path):
    """What `pkg_resources` was needed for."""
    path = tmp_path / 'inherits.py'
    path.write_text("_base_ = 'mmaction::_base_/default_runtime.py'\n")
    assert Config.fromfile(str(path)).default_scope == 'mmaction'


def test_checkpoints_of_mmengine_load_as_data(tmp_path):
    hub = MessageHub('compat')
    hub.update_scalar('train/loss', 1.5)
    hub.update_info('score', np.float64(0.25))
    torch.save(dict(message_hub=hub.state_dict(), array=np.arange(3)), tmp_path / 'hub.pth')
    loaded = torch.load(tmp_path / 'hub.pth', weights_only=True)
    buffer = loaded['message_hub']['log_scalars']['train/loss']
    assert isinstance(buffer, HistoryBuffer) and buffer.current() == buffer.mean() == 1.5
    assert loaded['message_hub']['runtime_info']['score'] == 0.25
    assert loaded['array'].tolist() == [0, 1, 2]


class _Encode:
    """Pickles as ``_codecs.encode(text, encoding)``."""

    def __init__(self, text, encoding):
        self.call = (codecs.encode, (text, encoding))

    def __reduce__(self):
        return self.call


def test_bytes_of_a_checkpoint_are_latin1_text_and_no_other_codec(tmp_path):
    torch.save(dict(x=b'\x00\xff'), tmp_path / 'bytes.pth')
    assert torch.load(tmp_path / 'bytes.pth', weights_only=True)['x'] == b'\x00\xff'
    if '_codecs.encode' in _weights_only_unpickler._get_allowed_globals():
        pytest.skip('mended upstream: torch knows _codecs.encode itself, and calls its own')
    for text, encoding in ((b'x' * 9, 'zlib_codec'), ('x', 'rot13'), ('x', 'utf-8')):
        torch.save(dict(x=_Encode(text, encoding)), tmp_path / 'evil.pth')
        with pytest.raises(pickle.UnpicklingError, match='latin1'):
            torch.load(tmp_path / 'evil.pth', weights_only=True)


class _Getattr:
    """Pickles as ``getattr(HistoryBuffer, name)``."""

    def __init__(self, owner, name):
        self.call = (getattr, (owner, name))

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ('owner', 'name'),
    [(HistoryBuffer, '__init__'), (HistoryBuffer, 'register_statistics'), (np.ndarray, 'tofile')],
)
def test_getattr_in_a_checkpoint_reaches_four_methods_only(tmp_path, owner, name):
    torch.save(dict(x=_Getattr(owner, name)), tmp_path / 'evil.pth')
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'evil.pth', weights_only=True)


def test_distutils_is_there():
    compat.provide_distutils()
    assert importlib.util.find_spec('distutils') is not None


def test_missing_distutils_and_setuptools_is_one_sentence(monkeypatch):
    monkeypatch.setattr(compat.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ImportError, match='pip install setuptools'):
        compat.provide_distutils()


def test_mixed_opencv_versions_are_warned_of(monkeypatch):
    versions = {'opencv-python': '4.10.0.84', 'opencv-contrib-python': '5.0.0.93'}
    monkeypatch.setattr(compat, '_installed_version', lambda names: versions.get(names[0]))
    with pytest.warns(UserWarning, match='opencv-python 4.10.0.84 and opencv-contrib-python 5.0'):
        compat.check_opencv()


def test_mmcv_lite_warning_is_held_back_only_without_ops(monkeypatch, tmp_path):
    for has_ops, shown in ((False, 0), (True, 1)):
        folder = tmp_path / str(has_ops)
        folder.mkdir()
        if has_ops:
            (folder / '_ext.cpython-311-x86_64-linux-gnu.so').touch()
        monkeypatch.setattr(compat, '_folder', lambda name, folder=folder: folder)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            compat.quiet_mmcv_lite()
            warnings.warn('Fail to import ``MultiScaleDeformableAttention`` from mmcv')
            warnings.warn('another one')
        assert len(caught) == shown + 1


def test_broadcast_buffers_warning_is_held_back_only_where_torch_gives_it(monkeypatch):
    from torch.nn import parallel

    class Warns:
        def __init__(self):
            warnings.warn('`broadcast_buffers` is deprecated. Use ...', FutureWarning)

    class Mended:
        def __init__(self):
            pass

    for wrapper, shown in ((Warns, 0), (Mended, 1)):
        monkeypatch.setattr(parallel, 'DistributedDataParallel', wrapper)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            compat.quiet_broadcast_buffers()
            Warns()
            warnings.warn('another one', FutureWarning)
        assert len(caught) == shown + 1


def test_wrapping_a_model_as_mmengine_does_warns_of_nothing(tmp_path):
    """In a process of its own, where pytest's filters do not hide it."""
    code = """
import warnings, sys
import mmssl_video, torch
torch.distributed.init_process_group('gloo', init_method='file://' + sys.argv[1], rank=0,
                                     world_size=1)
torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1), broadcast_buffers=False)
torch.distributed.destroy_process_group()"""
    done = run('python', '-c', code, tmp_path / 'store', cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert 'is deprecated' not in done.stdout


def test_bfloat16_scores_of_a_head():
    from mmaction.models.heads import I3DHead
    from mmaction.structures import ActionDataSample

    head = I3DHead(num_classes=3, in_channels=4)
    samples = [ActionDataSample().set_gt_label(1) for _ in range(2)]
    losses = head.loss_by_feat(
        torch.tensor([[0.0, 2, 1], [3, 1, 0]], dtype=torch.bfloat16), samples
    )
    assert losses['top1_acc'] == 0.5 and torch.isfinite(losses['loss_cls'])
    once = type(head).loss_by_feat
    compat.accept_bfloat16_scores()
    assert type(head).loss_by_feat is once, 'a second call must not wrap again'


def test_file_client_warnings_are_held_back_and_no_others(caplog):
    logger = logging.getLogger('compat-test')
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logger.addHandler(handler)
    with compat.quiet_file_client(logger):
        logger.warning('"FileClient" will be deprecated in future. Please use ...')
        logger.warning('disk is full')
    logger.warning('"FileClient" will be deprecated in future. Please use ...')
    assert records == ['disk is full', '"FileClient" will be deprecated in future. Please use ...']


def test_version_of_a_module_without_metadata_is_read_from_it(monkeypatch):
    module = types.ModuleType('mmcv')
    module.__version__ = '1.7.1'
    module.__spec__ = importlib.util.spec_from_loader('mmcv', loader=None)
    monkeypatch.setitem(sys.modules, 'mmcv', module)
    real = compat._installed_version
    monkeypatch.setattr(
        compat, '_installed_version', lambda names: None if 'mmcv' in names else real(names)
    )
    with pytest.raises(ImportError, match='mmcv >= 2.1.0, < 2.2.0, but 1.7.1 is installed'):
        compat.check_versions()


@pytest.mark.parametrize(
    'before, given, expected',
    [
        ('', {}, 'PASSIVE'),
        ('', {'OMP_WAIT_POLICY': 'ACTIVE'}, 'ACTIVE'),
        ('import torch; ', {}, 'None'),
    ],
)
def test_idle_threads_sleep_unless_the_user_says_otherwise(before, given, expected):
    environment = {key: value for key, value in os.environ.items() if key != 'OMP_WAIT_POLICY'}
    code = f"{before}import mmssl_video, os; print(os.environ.get('OMP_WAIT_POLICY'))"
    out = subprocess.run(
        [sys.executable, '-c', code],
        env={**environment, **given},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert out.split()[-1] == expected


def test_a_config_is_written_with_the_steps_of_its_pipelines_in_their_order(tmp_path):
    """mmengine sorts keys; a checkpoint that carries the text must show the same frames."""
    from mmengine.config import Config

    from mmssl_video.checkpoints import config_from_text
    from mmssl_video.datasets import view_of
    from mmssl_video.settings.load import load_config

    part = dict(pipeline=dict(resize=dict(scale=(8, 8)), crop=None))
    for name in ('memdpc_k400', 'byol_demo', 'sstl_demo'):
        cfg = load_config(name)
        cfg.per_data = dict(mine=dict(train_dataloader=dict(dataset=part)))
        named = cfg.train_dataloader.dataset.pipeline
        order = [step.type for step in named.values() if step is not None]
        cfg.dump(tmp_path / 'dumped.py')
        for written in (
            Config.fromfile(tmp_path / 'dumped.py'),
            config_from_text(cfg.pretty_text, 'a checkpoint'),
        ):
            assert [step['type'] for step in written.train_dataloader.dataset.pipeline] == order
            assert view_of(written).sentence == view_of(cfg).sentence
            assert written.per_data.mine.train_dataloader.dataset == part
        assert isinstance(cfg.train_dataloader.dataset.pipeline, dict)  # and nothing changed
