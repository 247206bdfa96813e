"""Components by the names in a config, without importing what a config names."""

from __future__ import annotations

import contextlib
from typing import Any

from mmengine.registry import Registry


class UnregisteredError(ValueError):
    """A config names something that nobody has registered."""


def registered(registry: Registry, kind: Any) -> type:
    """The class (or function) that is registered under the ``type`` of a config.

    mmengine's own ``Registry.get`` imports whatever a name with a dot points to, and a name
    without one as a module. The config inside a checkpoint is data of unknown origin: here a name
    is only compared with those that are registered already.

    Args:
        registry: Of mmaction2 or mmengine, such as ``mmaction.registry.TRANSFORMS``.
        kind: A registered name, with the scope of a registry before it (``mmaction.Resize``) or the
            whole path (``mmaction.datasets.transforms.Resize``); or a class, as configs written in
            Python hold it.

    Returns:
        What is registered.

    Raises:
        UnregisteredError: Nothing is.
    """
    if isinstance(kind, type):
        return kind
    if isinstance(kind, str):
        name = kind.rsplit('.', 1)[-1]
        scope = kind[: -len(name) - 1]
        for each in _family(registry, scope):
            component = each.module_dict.get(name)
            if component is None:
                continue
            package = getattr(component, '__module__', '').split('.')[0]
            if scope in ('', each.scope) or (scope.split('.')[0] == package):
                return component
    raise UnregisteredError(
        f'{kind!r} is not registered as a {registry.name}: import the package that registers it '
        '(custom_imports of the config), if you trust it'
    )


def _family(registry: Registry, scope: str) -> list[Registry]:
    """A registry and its ancestors; where a scope is given, other packages' registries as well.

    (mmengine looks a name without a scope up in the former only, and then imports it.)
    """
    family, root = [registry], registry
    while root.parent is not None:
        root = root.parent
        family.append(root)
    if scope:
        family += [child for child in root.children.values() if child not in family]
    for each in family:
        # the registries' own packages; mmaction2's functions name one that is not there
        with contextlib.suppress(ModuleNotFoundError):
            each.import_from_location()
    return family
