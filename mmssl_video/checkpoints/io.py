"""Reading and writing checkpoint files: nothing but data ever comes out of one."""

from __future__ import annotations

import hashlib
import http.client
import os
import pickle
import re
import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from mmengine.dist import broadcast_object_list, get_dist_info
from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader

from mmssl_video.atomic_files import open_atomic

_ZIP = b'PK\x03\x04'
# The container of torch < 1.6 is a row of pickles.
_PICKLE = b'\x80'
# mmengine's prefixes of storages and model zoos; the first two are patterns, as it registers them.
_STORAGES = (
    r'(\S+\:)?s3://',
    r'(\S+\:)?petrel://',
    'pavi://',
    'torchvision://',
    'modelzoo://',
    'open-mmlab://',
    'openmmlab://',
    'mmcls://',
)

_WEB = ('http://', 'https://')
_PATIENCE = 60  # seconds without a byte


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why and what to do."""


def load_checkpoint_file(path: str | os.PathLike, map_location: Any = 'cpu') -> dict:
    """Read a checkpoint as data (``weights_only=True``), also one of torch < 1.6.

    Args:
        path: file written by ``torch.save``, or its web address (see :func:`fetch`).
        map_location: as for ``torch.load``.

    Returns:
        The dictionary in it.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: an address of a storage, a failed download, a directory, an empty,
            truncated or foreign file, or a pickle that asks for code.
    """
    path = _local(path)
    _refuse_what_is_no_file(path)
    with path.open('rb') as file:
        head = file.read(64)
        file.seek(0)
        if not head:
            raise CheckpointError(
                f'{path} is empty (0 bytes): saving or downloading it was cut short.'
            )
        if not head.startswith((_ZIP, _PICKLE)):
            raise CheckpointError(
                f'{path} is not a PyTorch checkpoint: it begins with {_first_words(head)}.'
            )
        try:
            # what mmengine's own files hold beyond tensors was allowed by compat.apply()
            checkpoint = torch.load(file, map_location=map_location, weights_only=True)
        except Exception as error:  # a damaged stream surfaces as almost any kind of error
            if 'CUDA' in str(error):  # no fault of the file
                raise
            size = path.stat().st_size
            is_cut = not head.startswith(_ZIP) and file.tell() >= size
            raise CheckpointError(_failure_sentence(path, size, is_cut, error)) from None
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f'{path} holds a {type(checkpoint).__name__}, not the dictionary of a checkpoint.'
        )
    return checkpoint


def state_dict_of(
    checkpoint: Mapping[str, Any], source: str = 'the checkpoint'
) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint, without the ``module.`` prefix of parallel wrappers.

    Args:
        checkpoint: what :func:`load_checkpoint_file` returned: a dictionary with ``state_dict``, or
            bare weights.
        source: how messages name it.

    Returns:
        ``{key: tensor}`` in the file's order.

    Raises:
        CheckpointError: no weights in it.
    """
    weights = checkpoint.get('state_dict', checkpoint)
    if not isinstance(weights, dict) or not weights:
        raise CheckpointError(
            f"{source} holds no weights: its 'state_dict' is "
            f'{"empty" if isinstance(weights, dict) else f"a {type(weights).__name__}"}.'
        )
    strange = [
        str(key)
        for key, value in weights.items()
        if not (isinstance(key, str) and isinstance(value, torch.Tensor))
    ]
    if strange:
        raise CheckpointError(
            f'{source} holds no weights: {some(strange)} in its state dict '
            f'{"is" if len(strange) == 1 else "are"} not a tensor.'
        )
    while all(key.startswith('module.') for key in weights):
        weights = {key[len('module.') :]: value for key, value in weights.items()}
    return dict(weights)


def _local(path: str | os.PathLike) -> Path:
    if is_web_address(path):
        return fetch(str(path))
    if '://' in str(path):
        refuse_address(str(path))
    return Path(path).expanduser()


def checkpoint_hash(path: str | os.PathLike) -> str:
    """First 16 hexadecimal digits of the file's SHA-256, by which results name a checkpoint."""
    path = _local(path)
    _refuse_what_is_no_file(path)
    digest = hashlib.sha256()
    with path.open('rb') as file:
        for chunk in iter(lambda: file.read(1 << 20), b''):
            digest.update(chunk)
    return digest.hexdigest()[:16]


def save_atomic(checkpoint: dict, path: str | os.PathLike) -> None:
    """``torch.save`` that leaves the whole new file or the old one, whenever the process dies."""
    with open_atomic(Path(path).expanduser()) as file:
        torch.save(checkpoint, file)


def register_loaders() -> None:
    """Route mmengine's ``load_from`` and ``resume`` through :func:`load_checkpoint_file`.

    mmengine calls ``torch.load`` without ``weights_only``: unsafe on torch < 2.6, and without a
    clear sentence on any. Its loaders for storages and model zoos are replaced by a refusal.
    """
    CheckpointLoader.register_scheme(prefixes=list(_STORAGES), loader=load_from_storage, force=True)
    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    CheckpointLoader.register_scheme(prefixes=list(_WEB), loader=load_from_http, force=True)


def load_from_local(filename: str, map_location: Any = None) -> dict:
    """mmengine's loader for local files (it cuts the name ``load_from_`` for its log line)."""
    return load_checkpoint_file(filename, map_location)


def load_from_storage(filename: str, map_location: Any = None) -> dict:
    """mmengine's loader for addresses of storages and model zoos: refuses them."""
    refuse_address(filename)


def load_from_http(filename: str, map_location: Any = None) -> dict:
    """mmengine's loader for web addresses; see :func:`fetch`."""
    return load_checkpoint_file(filename, map_location)


def is_web_address(source: str | os.PathLike) -> bool:
    """Whether a checkpoint is named by an ``http://`` or ``https://`` address."""
    return isinstance(source, str) and source.startswith(_WEB)


def fetch(address: str) -> Path:
    """The file at a web address, downloaded once into torch's hub folder.

    The name there holds a digest of the whole address: two addresses that end in the same name
    never share a file. A download appears whole or not at all.

    Args:
        address: Begins with ``http://`` or ``https://``.

    Returns:
        The copy on this machine.

    Raises:
        CheckpointError: It cannot be downloaded or written, in any process.
    """
    plain = Path(address.split('?', 1)[0].split('#', 1)[0])
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    target = folder / f'{plain.stem[:80]}-{digest}{plain.suffix[:16]}'
    rank, _ = get_dist_info()
    failures: list[str | None] = [None]
    if rank == 0:
        failures = [_download(address, target)]
    broadcast_object_list(failures)  # or the others would wait for a file that never comes
    if failures[0] is None and rank != 0:  # perhaps on a machine of its own
        failures = [_download(address, target)]
    if failures[0] is not None:
        raise CheckpointError(failures[0])
    return target


def _download(address: str, target: Path) -> str | None:
    """Download unless it is there; returns why that failed."""
    if target.exists():
        print_log(f'{address}: the copy {target} is used, downloaded before', 'current')
        return None
    print_log(f'{address} is downloaded to {target}', 'current')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(address, timeout=_PATIENCE) as answer:
            promised = answer.headers.get('Content-Length')
            with open_atomic(target) as file:
                shutil.copyfileobj(answer, file, 1 << 20)
                if promised is not None and file.tell() != int(promised):
                    raise OSError(f'cut short at {file.tell()} of {promised} bytes')
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f'{address} cannot be downloaded to {target} ({error}).'
    return None


def refuse_address(address: str) -> NoReturn:
    """Say that only files and web addresses are read.

    Raises:
        CheckpointError: always.
    """
    raise CheckpointError(
        f'checkpoint {address} is not a file on this machine, and nothing is read straight from a '
        'storage or a model zoo: download the file and give its path.'
    )


def _refuse_what_is_no_file(path: Path) -> None:
    if path.is_dir():
        checkpoints = sorted(
            p.name for p in path.iterdir() if p.suffix in ('.pth', '.pt', '.tar', '.pyth')
        )
        hint = f' (it holds {some(checkpoints)})' if checkpoints else ''
        raise CheckpointError(f'{path} is a directory: give the checkpoint file itself{hint}.')
    if not path.exists():
        raise FileNotFoundError(f'checkpoint {path} does not exist.')
    if not path.is_file():
        raise CheckpointError(f'{path} is not an ordinary file.')


def _first_words(head: bytes) -> str:
    text = head.lstrip().decode('utf-8', 'replace')
    if text.lower().startswith(('<!doctype', '<html', '<?xml')):
        return f'{text[:15]!r}, so a web page was saved in its place: download the file again'
    if text.startswith('version https://git-lfs'):
        return 'a Git LFS pointer: fetch the real file with `git lfs pull`'
    return repr(head[:16])


def _failure_sentence(path: Path, size: int, is_cut: bool, error: Exception) -> str:
    message = str(error)
    # torch wraps the unpickler's own words into advice to switch weights_only off
    match = re.search(r'WeightsUnpickler error:\s*(.+)', message)
    reason = _first_line(match.group(1) if match else message)
    if 'TorchScript' in message:
        return f'{path} is a TorchScript archive, not a checkpoint.'
    if 'hasRecord("version")' in message:
        return f'{path} is a zip file, but not one that torch.save wrote.'
    if is_cut or not isinstance(error, pickle.UnpicklingError):
        reason = 'it ends too early' if is_cut else reason or type(error).__name__
        return (
            f'{path} is truncated or damaged ({size} bytes; {reason}): copy or download it again, '
            'or use an earlier epoch.'
        )
    asked = re.search(r'GLOBAL (\S+) (?:was not an allowed|whose module)', message) or re.search(
        r'(?:Unsupported class|unrecognized function) (.+)', message
    )
    if asked:
        return (
            f'{path} is refused: its pickle asks for `{asked.group(1).rstrip(".")}`, which could '
            'run code; a checkpoint may hold tensors, numbers and text only, and nothing of it was '
            'run.'
        )
    if reason.startswith(('restricted getattr', 'Can only')):
        return f'{path} is refused: its pickle is not plain data ({reason}); nothing of it was run.'
    return (
        f'{path} cannot be read as a checkpoint: its pickle is damaged or not of the kind that '
        f'torch.save writes ({reason}).'
    )


def _first_line(message: str) -> str:
    return message.strip().split('\n', 1)[0].rstrip('.')[:200]


def some(names: list[str], limit: int = 3) -> str:
    """The first names of a list, and how many follow: for messages."""
    return ', '.join(names[:limit]) + (
        f' and {len(names) - limit} more' if len(names) > limit else ''
    )
