"""Protocols by name: a figure is never bare, it carries the name and version of how it was made.

A protocol is a plain function on arrays, registered in a file of its own::

    @register_protocol('knn/cosine', version=1)
    def knn_cosine(gallery, gallery_labels, query, query_labels, *, k=20, seed=0, device='cpu'):
        ...
        return ProtocolOutput(metrics={'top1': 61.3}, chance={'top1': 12.5})

The version changes whenever the same features would give another figure.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any, Callable

from numpy.typing import ArrayLike

from .checks import check_arrays

_PROTOCOLS: dict[str, Protocol] = {}


@dataclass
class ProtocolOutput:
    """What a protocol found.

    Args:
        metrics: Figures in percent, by name (``top1``, ``R@5``, …).
        chance: What guessing gets on the same labels, in percent, for the same names.
        details: Settings that were chosen or clipped on the way; goes to the JSON record.
    """

    metrics: dict[str, float]
    chance: dict[str, float]
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """A registered protocol; calling it checks the arrays, then runs the function."""

    name: str
    version: int
    function: Callable[..., ProtocolOutput]

    def __call__(self, gallery: ArrayLike, gallery_labels: ArrayLike, query: ArrayLike,
                 query_labels: ArrayLike, **options: Any) -> ProtocolOutput:
        arrays = check_arrays(gallery, gallery_labels, query, query_labels)
        return self.function(*arrays, **self.check_options(options))

    def check_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return ``options`` unchanged, or say which one this protocol does not have."""
        known = [name for name, parameter in inspect.signature(self.function).parameters.items()
                 if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ValueError(f'protocol {self.name!r} has no option {", ".join(unknown)}; '
                             f'it has {", ".join(known)}')
        return options


def register_protocol(name: str, version: int) -> Callable[[Callable], Callable]:
    """Decorator that makes a function a protocol of that name; a name may be taken once."""

    def register(function):
        if name in _PROTOCOLS:
            raise KeyError(f'protocol {name!r} is registered already')
        _PROTOCOLS[name] = Protocol(name, version, function)
        return function

    return register


def get_protocol(name: str) -> Protocol:
    """Look a protocol up by name, for example ``'knn/cosine'``.

    Raises:
        ValueError: When there is none of that name; the sentence lists those there are.
    """
    if name not in _PROTOCOLS:
        raise ValueError(f'unknown protocol {name!r}; known are {", ".join(list_protocols())}')
    return _PROTOCOLS[name]


def list_protocols() -> list[str]:
    """Names of all protocols, sorted."""
    return sorted(_PROTOCOLS)
