"""Names of configs: paths, and shipped configs by name wherever they lie."""

from __future__ import annotations

import difflib
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config

#: What stands before the name of a shipped config, as mmengine writes it for its own packages.
SCOPE = 'mmssl_video::'


def config_dir() -> Path:
    """Folder of the shipped configs: in the package when installed, else ``configs/`` beside it.

    Raises:
        FileNotFoundError: The installation carries no configs.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / 'configs', package.parent / 'configs'):
        if (folder / '_base_').is_dir():
            return folder
    raise FileNotFoundError(f'no configs beside {package}: install the package again')


def find_config(name: str | Path) -> Path:
    """Find a config by path, or a shipped one by name from any folder.

    Args:
        name: A path, absolute or from the current folder; or ``memdpc_demo``, ``memdpc_demo.py``,
            ``configs/demo/memdpc_demo.py`` or ``mmssl_video::memdpc_demo`` for a shipped config,
            whose folder may be left out. With ``mmssl_video::`` a file of that name in the current
            folder does not hide it.

    Returns:
        Path of the file.

    Raises:
        FileNotFoundError: There is none; the sentence names where it was looked for.
        ValueError: Several shipped configs have that name.
    """
    text = str(name)
    is_shipped = text.startswith(SCOPE)
    given = Path(text[len(SCOPE) :] if is_shipped else text).expanduser()
    if not is_shipped and given.is_file():
        return given
    if not given.is_absolute():
        shipped = _shipped(given, text)
        if shipped is not None:
            return shipped
    if not is_shipped and given.is_dir():
        raise FileNotFoundError(f'config {text!r} is a directory: name the file in it')
    near = difflib.get_close_matches(given.stem, {path.stem for path in _configs()}, n=3)
    places = [] if is_shipped else [f'looked for it from {Path.cwd()}']
    if not given.is_absolute():
        places.append(f'{"" if places else "looked for it "}in {config_dir()}')
    raise FileNotFoundError(
        f'config {text!r} does not exist: {" and ".join(places)}'
        + (f'; did you mean {" or ".join(near)}?' if near else '')
    )


def _shipped(given: Path, text: str) -> Path | None:
    """The shipped config of a name, with or without its folder; None where there is none."""
    parts = given.parts[1:] if given.parts[:1] == ('configs',) else given.parts
    if not parts:
        return None
    parts = (*parts[:-1], parts[-1] if parts[-1].endswith('.py') else f'{parts[-1]}.py')
    exact = config_dir().joinpath(*parts)
    if exact.is_file():
        return exact
    matches = [path for path in _configs() if path.parts[-len(parts) :] == parts]
    if len(matches) > 1:
        named = ', '.join(str(path.relative_to(config_dir())) for path in matches)
        raise ValueError(f'several shipped configs are called {text!r}: name the folder of {named}')
    return matches[0] if matches else None


def _configs() -> list[Path]:
    """All shipped configs but the parts that they are made of."""
    folder = config_dir()
    return sorted(
        path for path in folder.rglob('*.py') if '_base_' not in path.relative_to(folder).parts
    )


def read_config(path: str | Path) -> Config:
    """Read a config file. What it names in ``custom_imports`` may be a module that lies beside it.

    Raises:
        ValueError: It, or a config that it inherits from, is no Python, or its code fails.
    """
    from mmengine.config import Config

    folder = Path(path).resolve().parent
    if config_dir() not in (folder, *folder.parents) and str(folder) not in sys.path:
        sys.path.append(str(folder))  # the command mmssl, unlike python -m, does not look there
    try:
        return Config.fromfile(str(path))
    except SyntaxError as error:  # mmengine parses the text without its name
        what = f'is no Python: {error.msg} in line {error.lineno}'
    except (ArithmeticError, AttributeError, LookupError, NameError, TypeError) as error:
        text = str(error.args[0] if error.args else error)
        what = f'cannot be read: {" ".join(text.split()) or type(error).__name__}'
    raise ValueError(f'{path}, or a config it inherits from, {what}')


def allow_names_in_bases() -> None:
    """Let ``_base_ = 'mmssl_video::memdpc_k400'`` name a shipped config in any config.

    mmengine resolves ``package::path`` for the packages of OpenMMLab alone, and asks for a folder
    in the path.
    """
    from mmengine.config import Config

    original = Config._get_cfg_path
    if hasattr(original, '__wrapped__'):  # done already
        return

    @functools.wraps(original)
    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(SCOPE):
            return str(find_config(cfg_path)), None
        return original(cfg_path, filename)

    Config._get_cfg_path = staticmethod(get_cfg_path)
