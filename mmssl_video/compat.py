"""Work-rounds for faults of the installed OpenMMLab stack; nothing of it anywhere else.

Each function first checks that its fault is really there, so that a mended upstream is left alone.
``apply`` runs, before the first mmaction import, those that every user needs.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import sys
import types
import warnings
from pathlib import Path
from typing import Any

# name of the module, distributions that provide it, first supported version, first unsupported one
SUPPORTED = (
    ('torch', ('torch',), '2.4', '3'),
    ('mmengine', ('mmengine', 'mmengine-lite'), '0.10.5', '0.11'),
    ('mmcv', ('mmcv', 'mmcv-lite'), '2.1.0', '2.2.0'),
    ('mmaction', ('mmaction2',), '1.2.0', '1.3'),
)


def apply() -> None:
    """Check the installed versions, then apply the work-rounds needed at import."""
    let_idle_threads_sleep()
    check_versions()
    check_opencv()
    provide_distutils()
    quiet_mmcv_lite()
    quiet_broadcast_buffers()
    quiet_functional_optimizers()
    stub_missing_drn()
    replace_pkg_resources()
    allow_mmengine_checkpoints()
    accept_bfloat16_scores()
    keep_the_order_of_steps()


def let_idle_threads_sleep() -> None:
    """Let torch's threads sleep at a barrier instead of spinning.

    GNU OpenMP's threads spin while they wait for each other. As soon as another process wants a
    core, a data loading worker for example, each barrier costs a time slice: on two cores one busy
    neighbour made a training step 8 times slower, with sleeping threads 1.8 times. OpenMP reads
    the variable when torch is loaded, so this has no effect on a program that imported torch
    before; a value that the user has set is kept.
    """
    if 'torch' not in sys.modules:
        os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')


def check_versions() -> None:
    """Refuse an unsupported stack in one sentence, before its imports fail in some deeper place.

    Raises:
        ImportError: torch, mmengine, mmcv or mmaction2 is missing or outside the supported range.
    """
    for module, distributions, first, last in SUPPORTED:
        wanted = f'mmssl_video needs {distributions[0]} >= {first}, < {last}'
        version = _installed_version(distributions)
        if version is None and importlib.util.find_spec(module) is None:
            # the package asks pip for no mmcv: a full one may be there, and lite would break it
            smallest = 'mmcv-lite' if module == 'mmcv' else distributions[0]
            raise ImportError(
                f'{wanted}, but it is not installed in {sys.prefix}; '
                f"pip install '{smallest}>={first},<{last}'"
            )
        if version is None:  # on the path without metadata, as in a source checkout
            version = importlib.import_module(module).__version__
        if not _release(first) <= _release(version) < _release(last):
            installed = next(
                (name for name in distributions if _installed_version((name,))), distributions[0]
            )
            raise ImportError(
                f"{wanted}, but {version} is installed; pip install '{installed}>={first},<{last}'"
            )


def _installed_version(distributions: tuple[str, ...]) -> str | None:
    for name in distributions:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _release(version: str) -> tuple[int, ...]:
    """``'2.13.0+cpu'`` -> ``(2, 13, 0)``; a release candidate counts as its release."""
    numbers = []
    for part in version.split('+')[0].split('.'):
        digits = part[: len(part) - len(part.lstrip('0123456789'))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers + [0] * (3 - len(numbers)))


def check_opencv() -> None:
    """Refuse an OpenCV that does not load, warn of several versions of it.

    The wheels share their files: several versions fail silently. Those that mmengine and mmaction2
    ask for need libraries of windows, which servers and containers lack.

    Raises:
        ImportError: A library of the system is missing; the sentence says what to install.
    """
    names = (
        'opencv-python',
        'opencv-contrib-python',
        'opencv-python-headless',
        'opencv-contrib-python-headless',
    )
    found = {name: _installed_version((name,)) for name in names}
    found = {name: version for name, version in found.items() if version}
    if len(set(found.values())) > 1:
        listed = ' and '.join(f'{name} {version}' for name, version in found.items())
        warnings.warn(
            f'{listed} are installed and overwrite the same files: install one version of them all'
        )
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        if '.so' not in str(error):
            raise
        version = next(iter(found.values()), '')
        raise ImportError(
            f'OpenCV does not load ({error}): install the libraries it needs (on Debian and '
            'Ubuntu: apt install libgl1 libglib2.0-0), or its version without windows: pip '
            'uninstall -y opencv-python opencv-contrib-python, then pip install '
            f'opencv-contrib-python-headless{"==" if version else ""}{version}'
        ) from None


def provide_distutils() -> None:
    """mmengine imports ``distutils``, which left Python with 3.12; setuptools brings it back.

    Raises:
        ImportError: setuptools is missing as well.
    """
    if importlib.util.find_spec('distutils') is not None:
        return
    if importlib.util.find_spec('setuptools') is None:
        raise ImportError(
            'mmengine needs distutils, which Python 3.12 no longer has: pip install setuptools'
        )
    importlib.import_module('setuptools')  # makes its own distutils importable


def quiet_mmcv_lite() -> None:
    """mmcv-lite warns at import that it lacks the ops of the full mmcv; nothing here needs them."""
    if not any(_folder('mmcv').glob('_ext*')):  # the compiled ops
        warnings.filterwarnings(
            'ignore', message='Fail to import ``MultiScaleDeformableAttention``'
        )


def quiet_broadcast_buffers() -> None:
    """mmengine wraps every model with ``broadcast_buffers``, of which torch >= 2.13 warns."""
    import inspect

    from torch.nn.parallel import DistributedDataParallel

    if 'broadcast_buffers` is deprecated' in inspect.getsource(DistributedDataParallel.__init__):
        warnings.filterwarnings(
            'ignore', message='`broadcast_buffers` is deprecated', category=FutureWarning
        )


def quiet_functional_optimizers() -> None:
    """mmengine imports ``torch.distributed.optim``, which tells everybody in torch 2.4 and 2.5.

    The warning is about optimizers that nobody here uses, and is shown whatever the filters say:
    the module is imported here first, and what else it may warn of is passed on.
    """
    import torch

    if not torch.distributed.is_available() or 'torch.distributed.optim' in sys.modules:
        return
    with warnings.catch_warnings(record=True) as caught:
        importlib.import_module('torch.distributed.optim')
    for one in caught:
        if 'support for functional optimizers is deprecated' not in str(one.message):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def stub_missing_drn() -> None:
    """mmaction2 1.2.0 is packaged without ``localizers/drn`` (open-mmlab/mmaction2 #2714).

    Without it ``import mmaction.models`` fails. The stand-in refuses to be used.
    """
    name = 'mmaction.models.localizers.drn'
    if (
        name in sys.modules
        or (_folder('mmaction') / 'models' / 'localizers' / 'drn' / 'drn.py').exists()
    ):
        return

    class DRN:
        def __init__(self, *args, **kwargs):
            raise NotImplementedError(
                'the installed mmaction2 was packaged without its DRN '
                'localizer (open-mmlab/mmaction2 #2714)'
            )

    package, module = types.ModuleType(name), types.ModuleType(f'{name}.drn')
    package.__path__ = []
    vars(package)['drn'], vars(module)['DRN'] = module, DRN
    sys.modules[name], sys.modules[f'{name}.drn'] = package, module


def _folder(package: str) -> Path:
    """Where a package lies, without importing it, as looking for its submodules would."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f'{package} is not installed: see requirements/')
    return Path(spec.submodule_search_locations[0])


def replace_pkg_resources() -> None:
    """setuptools >= 82 has no ``pkg_resources``, which mmengine's ``package_utils`` imports.

    ``_base_ = 'mmaction::...'`` and ``get_config`` need it. The functions are written anew on
    ``importlib.metadata`` and put wherever mmengine has already taken the old ones.
    """
    if importlib.util.find_spec('pkg_resources') is not None:
        return
    from mmengine.utils import package_utils

    for new in (is_installed, get_installed_path, package2module):
        old = getattr(package_utils, new.__name__)
        for name, module in list(sys.modules.items()):
            if name.split('.')[0] == 'mmengine' and getattr(module, new.__name__, None) is old:
                setattr(module, new.__name__, new)


def is_installed(package: str) -> bool:
    """Whether a distribution or an importable module of that name is there."""
    if _installed_version((package,)) is not None:
        return True
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


def get_installed_path(package: str) -> str:
    """Folder of the module of a distribution (``mmaction2`` -> ``.../mmaction``) or of a module.

    Raises:
        importlib.metadata.PackageNotFoundError: Neither a distribution nor a module.
        RuntimeError: A namespace package, which has no single folder.
    """
    if _installed_version((package,)) is None:
        spec = importlib.util.find_spec(package)
        if spec is None:
            raise importlib.metadata.PackageNotFoundError(package)
    else:
        spec = importlib.util.find_spec(package) or importlib.util.find_spec(
            package2module(package)
        )
    if spec is None or spec.origin is None:
        raise RuntimeError(f'{package} is a namespace package, which has no single folder')
    return os.path.dirname(spec.origin)


def package2module(package: str) -> str:
    """Name of the module that a distribution installs, ``mmaction2`` -> ``mmaction``.

    Raises:
        ValueError: Its metadata do not tell.
    """
    names = (importlib.metadata.distribution(package).read_text('top_level.txt') or '').split()
    if not names:
        raise ValueError(f'can not infer the module name of {package}')
    return names[0]


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load(weights_only=True)`` read mmengine's own checkpoints, and nothing more."""
    import torch

    torch.serialization.add_safe_globals(safe_globals())


def safe_globals() -> list:
    """What mmengine's own checkpoints hold beyond tensors, for ``torch.load(weights_only=True)``.

    torch >= 2.6 reads with ``weights_only=True`` by default, mmengine 0.10 passes nothing, and its
    checkpoints hold ``HistoryBuffer`` objects (logged values as NumPy arrays, and four of the
    class's own methods, which pickle writes as ``getattr(HistoryBuffer, 'min')``). NumPy scalars
    occur in the released DPC and MemDPC files (``best_acc``).

    Returns:
        Classes and functions for ``torch.serialization.add_safe_globals``; each carries the name it
        has in the pickle as ``__module__`` and ``__qualname__``, which every torch >= 2.4
        understands.
    """
    import builtins
    import pickle
    import types

    import numpy as np
    from mmengine.logging import HistoryBuffer

    def named(function, module, name):
        wrapper = types.FunctionType(
            function.__code__,
            function.__globals__,
            name,
            function.__defaults__,
            function.__closure__,
        )
        wrapper.__module__, wrapper.__qualname__ = module, name
        return wrapper

    def restricted_getattr(owner, name):
        # Plain getattr would reach any attribute of any allowed class, hence code.
        if owner is HistoryBuffer and name in ('min', 'max', 'current', 'mean'):
            return builtins.getattr(owner, name)
        raise pickle.UnpicklingError(f'restricted getattr: {name!r} of {owner!r} is no data')

    def reconstruct(kind, shape, dtype):
        # The empty array that ndarray.__setstate__ then fills.
        if kind is not np.ndarray:
            raise pickle.UnpicklingError(f'Can only rebuild numpy.ndarray, not {kind!r}')
        return np.ndarray.__new__(kind, shape, dtype)

    def scalar(dtype, data):
        if dtype.hasobject:
            raise pickle.UnpicklingError('Can only rebuild numbers and text as NumPy scalars')
        return np.frombuffer(data, dtype, 1)[0]

    def encode(text, encoding):
        # How Python 3 writes bytes for protocol 2: those of every NumPy scalar and array. Others of
        # the codecs decompress, and torch 2.4, unlike later ones, knows none of them.
        if type(text) is not str or encoding != 'latin1':
            raise pickle.UnpicklingError(f'Can only encode text as latin1, not by {encoding!r}')
        return text.encode('latin1')

    dtypes = {type(np.dtype(code)) for code in '?bhilqBHILQefdgFDGSU'}
    both = [
        named(f, f'numpy.{core}.multiarray', name)
        for core in ('core', '_core')
        for f, name in ((reconstruct, '_reconstruct'), (scalar, 'scalar'))
    ]
    return [
        HistoryBuffer,
        np.ndarray,
        np.dtype,
        *dtypes,
        *both,
        named(restricted_getattr, 'builtins', 'getattr'),
        named(encode, '_codecs', 'encode'),
    ]


def accept_bfloat16_scores() -> None:
    """mmaction's ``BaseHead.loss_by_feat`` calls ``.numpy()``, which knows no bfloat16 scores."""
    import functools
    import inspect

    import torch
    from mmaction.models.heads.base import BaseHead

    original = BaseHead.loss_by_feat
    if 'cls_scores.detach().cpu().numpy()' not in inspect.getsource(inspect.unwrap(original)):
        return
    if hasattr(original, '__wrapped__'):  # done already
        return

    @functools.wraps(original)
    def loss_by_feat(self, cls_scores, data_samples):
        if isinstance(cls_scores, torch.Tensor) and cls_scores.dtype is torch.bfloat16:
            cls_scores = cls_scores.float()
        return original(self, cls_scores, data_samples)

    BaseHead.loss_by_feat = loss_by_feat


def keep_the_order_of_steps() -> None:
    """mmengine sorts the keys of a config when it writes it, and with them a pipeline's steps.

    What it writes goes into every checkpoint and work dir. A pipeline of named steps
    (``mmssl_video.datasets.pipelines``) is written as the list of them, which has an order.
    """
    from mmengine.config import Config

    original = Config.pretty_text.fget
    if getattr(original, 'lists_steps', False):  # done already
        return

    def pretty_text(self) -> str:
        settings = self.to_dict()
        listed = steps_as_lists(settings)
        if listed == settings:
            return original(self)
        return original(Config(listed, format_python_code=self._format_python_code))

    pretty_text.lists_steps = True  # type: ignore[attr-defined]
    Config.pretty_text = property(pretty_text, doc=Config.pretty_text.__doc__)


def steps_as_lists(settings: Any) -> Any:
    """A config whose pipelines of named steps are lists, without the steps that are None.

    What is to be laid over a pipeline (``per_data``), a dict of parts of steps, stays as it is.

    Args:
        settings: Any part of a config.
    """
    if isinstance(settings, dict):
        return {
            key: list(filter(None, steps_as_lists(value).values()))
            if key in ('pipeline', 'transforms') and _names_steps(value)
            else value
            if key == 'per_data'
            else steps_as_lists(value)
            for key, value in settings.items()
        }
    if isinstance(settings, (list, tuple)):
        return type(settings)(steps_as_lists(value) for value in settings)
    return settings


def _names_steps(value: Any) -> bool:
    """Whether a value is a dict of whole steps by name."""
    if not isinstance(value, dict) or 'type' in value:
        return False
    steps = [step for step in value.values() if step is not None]
    return bool(steps) and all(isinstance(step, dict) and 'type' in step for step in steps)


@contextlib.contextmanager
def quiet_file_client(logger):
    """Hold back two warnings about classes that mmengine's ``CheckpointHook`` itself uses."""

    def keep(record) -> bool:
        return not record.getMessage().startswith(('"FileClient" will', '"HardDiskBackend" is'))

    handlers = list(logger.handlers)
    for handler in handlers:
        handler.addFilter(keep)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(keep)
