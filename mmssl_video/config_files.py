"""Where the shipped configs lie, in a checkout and in an installation."""

from __future__ import annotations

from pathlib import Path


def config_dir() -> Path:
    """Folder of the shipped configs: in the package when installed, else ``configs/`` beside it.

    Raises:
        FileNotFoundError: The installation carries no configs.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / 'configs', package.parent / 'configs'):
        if (folder / '_base_').is_dir():
            return folder
    raise FileNotFoundError(f'no configs beside {package}: install the package again')


def find_config(name: str | Path) -> Path:
    """Find a config by path, or a shipped one by name from any folder.

    Args:
        name: A path, absolute or from the current folder; or ``configs/memdpc_k400.py``,
            ``memdpc_k400.py`` or ``memdpc_k400`` for a shipped config, in whatever folder of
            ``configs/`` it lies.

    Returns:
        Path of the file.

    Raises:
        FileNotFoundError: There is none; the sentence names where it was looked for.
    """
    given = Path(name).expanduser()
    if given.is_dir():
        raise FileNotFoundError(f'config {str(name)!r} is a directory: name the file in it')
    if given.is_file():
        return given
    if not given.is_absolute():
        inside = given.relative_to('configs') if given.parts[:1] == ('configs',) else given
        shipped = config_dir() / inside
        for path in (shipped, shipped.with_suffix('.py')):
            if path.is_file():
                return path
        if len(inside.parts) == 1:  # a name alone: in any folder but _base_
            for path in config_dir().rglob(f'{inside.stem}.py'):
                if inside.suffix in ('', '.py') and '_base_' not in path.parts:
                    return path
    raise FileNotFoundError(
        f'config {str(name)!r} does not exist: looked for it from {Path.cwd()}'
        + ('' if given.is_absolute() else f' and in {config_dir()}')
    )
