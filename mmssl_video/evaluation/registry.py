"""Protocols by name: a figure is never bare, it carries the name and version of how it was made.

A protocol is a plain function on arrays, registered in a file of its own::

    @register_protocol('knn/cosine', version=1)
    def knn_cosine(gallery, gallery_labels, query, query_labels, *, k=20, seed=0, device='cpu'):
        ...
        return ProtocolOutput(metrics={'top1': 61.3}, chance={'top1': 12.5})

The version changes whenever the same features would give another figure. Where a protocol is
defined on something else than one context feature a video, its registration says on what.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from numpy.typing import ArrayLike

from ..results.protocol_output import ProtocolOutput
from .array_checks import check_arrays

#: Feature levels: ``context`` is what ``extract_feat`` gives, pooled; ``backbone`` the backbone's
#: maps, pooled over the whole clip; ``block`` those of the middle block alone, f(x) of DPC;
#: ``projection`` what the projection head makes of ``backbone``, where there is one (SSTL, BYOL).
FEATURES = ('context', 'backbone', 'block', 'projection')
_PROTOCOLS: dict[str, Protocol] = {}


@dataclass(frozen=True)
class Protocol:
    """A registered protocol; calling it checks the arrays, then runs the function.

    Args:
        name, version, function: As registered.
        feature: The feature level it is defined on (:data:`FEATURES`); None: on any.
        clips: ``'mean'``: one feature a video, the mean over its windows; ``'each'``: one for
            every window, so that arrays have a row (and a label) for each.
        views: Windows a video that it is defined on, by role (``gallery``, ``query``).
    """

    name: str
    version: int
    function: Callable[..., ProtocolOutput]
    feature: str | None = None
    clips: str = 'mean'
    views: Mapping[str, int] = field(default_factory=dict)

    def __call__(
        self,
        gallery: ArrayLike,
        gallery_labels: ArrayLike,
        query: ArrayLike,
        query_labels: ArrayLike,
        **options: Any,
    ) -> ProtocolOutput:
        arrays = check_arrays(gallery, gallery_labels, query, query_labels)
        return self.function(*arrays, **self.check_options(options))

    def check_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return ``options`` unchanged.

        Raises:
            ValueError: There is no such option, or its value is of another kind than the default,
                or out of range.
        """
        known = [
            name
            for name, parameter in inspect.signature(self.function).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        ]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ValueError(
                f'protocol {self.name!r} has no option {", ".join(unknown)}; '
                f'it has {", ".join(known)}'
            )
        parameters = inspect.signature(self.function).parameters
        for name, value in options.items():
            check_option(self.name, name, value, parameters[name].default)
        return options

    def check_feature(self, feature: str | None, default: str = 'context') -> str:
        """The feature level to run on: the protocol's own, the one asked for, or the default.

        Raises:
            ValueError: There is no such level, or the protocol is defined on another.
        """
        if self.feature is not None and feature not in (None, self.feature):
            raise ValueError(
                f'protocol {self.name!r} is defined on feature={self.feature!r}, not '
                f'on {feature!r}: take another protocol or leave feature out'
            )
        level = self.feature or feature or default
        if level not in FEATURES:
            raise ValueError(f'unknown feature level {level!r}; known are {", ".join(FEATURES)}')
        return level

    def check_views(self, counts: Mapping[str, int | None]) -> None:
        """Compare the windows a video, by role (None: it varies), with what the name stands for.

        Raises:
            ValueError: They differ.
        """
        for role, wanted in self.views.items():
            if counts[role] != wanted:
                given = 'a number that varies' if counts[role] is None else counts[role]
                raise ValueError(
                    f'protocol {self.name!r} is defined on {wanted} views of each {role} video, '
                    f'but the {role} gives {given}: set evaluation.{role}.views, or name the '
                    "search 'retrieval/context-mean-cosine'"
                )


#: Options that may be 0.
_FROM_ZERO = {'seed', 'min_steps', 'dropout', 'weight_decays', 'penalties'}


def check_option(protocol: str, name: str, value: Any, default: Any) -> None:
    """Compare the value of an option with its default, before any feature is there.

    Raises:
        ValueError: It is of another kind, or a number out of range.
    """
    wrong, least = None, 'at least 0' if name in _FROM_ZERO else 'greater than 0'
    if isinstance(default, (list, tuple)) and default:
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError(
                f'protocol {protocol!r}: {name} must be a list, such as {list(default)}, not '
                f'{value!r}'
            )
        for each in value:
            check_option(protocol, name, each, default[0])
    elif isinstance(default, bool):
        wrong = 'True or False' if not isinstance(value, bool) else None
    elif isinstance(default, (int, float)):
        kinds = int if isinstance(default, int) else (int, float)
        in_range = (
            isinstance(value, kinds)
            and not isinstance(value, bool)
            and 0 <= value < float('inf')
            and (value > 0 or name in _FROM_ZERO)
        )
        noun = 'a whole number' if kinds is int else 'a number'
        wrong = None if in_range else f'{noun} {least}'
    if wrong:
        raise ValueError(f'protocol {protocol!r}: {name} must be {wrong}, not {value!r}')


def register_protocol(name: str, version: int, **definition: Any) -> Callable[[Callable], Callable]:
    """Decorator that makes a function a protocol of that name; a name may be taken once.

    Args:
        name, version: Of the protocol.
        **definition: ``feature``, ``clips`` and ``views`` of :class:`Protocol`.
    """

    def register(function):
        if name in _PROTOCOLS:
            raise KeyError(f'protocol {name!r} is registered already')
        _PROTOCOLS[name] = Protocol(name, version, function, **definition)
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
