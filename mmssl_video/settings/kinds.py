"""What a config can be tested as: one table of kinds, and which options go with which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mmengine.config import Config


@dataclass(frozen=True)
class RunKind:
    """One kind of test.

    Args:
        key: The part of a config that asks for it; '' for any config with a loop.
        takes: Options of ``mmssl test``, beyond those that every test has.
        is_loop: Run by mmengine's Runner, which starts its processes itself.
        is_trained: What is tested was trained for this task, from a pre-trained encoder, and its
            records say which.
        has_classes: Its head tells the classes of the training list apart.
    """

    key: str
    takes: frozenset[str] = frozenset()
    is_loop: bool = False
    is_trained: bool = False
    has_classes: bool = False


#: In the order in which a config is asked for their keys.
KINDS = (
    RunKind(
        'evaluation',
        frozenset({'--encoder-config', '--calibrate-bn', '--device', '--dump', '--no-baselines'}),
    ),
    RunKind('surprise', frozenset({'--encoder-config', '--device'})),
    RunKind(
        'classification',
        frozenset({'--dump', '--no-baselines'}),
        is_loop=True,
        is_trained=True,
        has_classes=True,
    ),
    RunKind(
        'unintentional', frozenset({'--dump', '--no-baselines'}), is_loop=True, is_trained=True
    ),
    RunKind('', is_loop=True),
)


def kind_of(cfg: Config) -> RunKind:
    """The kind of test that a config asks for."""
    return next(kind for kind in KINDS if not kind.key or cfg.get(kind.key) is not None)


def check_taken(cfg: Config, options: Iterable[str]) -> None:
    """See whether the test that a config asks for takes some options.

    Args:
        cfg: The config.
        options: As on the command line, such as ``--dump``.

    Raises:
        ValueError: It does not take one; the sentence says which configs do.
    """
    kind = kind_of(cfg)
    unused = [option for option in options if option not in kind.takes]
    if unused:
        parts = [each.key for each in KINDS if set(unused) <= each.takes]
        raise ValueError(
            f'{", ".join(unused)} is for configs with an {" or ".join(parts)} part, which '
            f'{cfg.filename or "this config"} does not have: leave it out'
        )
