"""The shipped configs for tests: each file is parsed once a session, every test gets a copy."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from mmaction.registry import MODELS
from mmengine.config import Config

from mmssl_video.datasets.pipelines import Pipeline, located_steps
from mmssl_video.settings.data import settle_data, shipped_data
from mmssl_video.settings.names import config_dir, find_config

#: Folders of configs that stand by themselves; '' is the top.
FOLDERS = ('', 'ablations', 'data', 'demo', 'evaluation')


def names_in(*folders: str) -> list[str]:
    """Names of the configs in folders of ``configs/``."""
    return sorted(path.stem for folder in folders for path in (config_dir() / folder).glob('*.py'))


PRETRAININGS = names_in('', 'ablations', 'demo')
PROTOCOLS = names_in('evaluation')
DATA = shipped_data()


@cache
def _parsed(path: Path) -> Config:
    return Config.fromfile(path)


def read(path: Path | str) -> Config:
    """A config as it stands in its file, without a data set."""
    return copy.deepcopy(_parsed(find_config(path)))


def load(name: str, data: str | None = None, flow: bool = False, **changes: Any) -> Config:
    """A shipped config as the commands read it, combined with a data set where it needs one.

    Args:
        name: Its name.
        data: Name of the data set, as of ``--data``.
        flow: As ``--flow``.
        **changes: ``{'a.b.c': value}``.
    """
    cfg = read(name)
    settle_data(cfg, None if data is None else read(data).data, flow)
    cfg.merge_from_dict(changes)
    return cfg


def build(cfg: Config) -> torch.nn.Module:
    """The model of a config, without memory for its weights."""
    with torch.device('meta'):
        return MODELS.build(cfg.model)


def fits(protocol: str, data: str) -> bool:
    """Whether a protocol and a data set speak of the same labels: classes, or times of failures."""
    return protocol.startswith('unintentional') == data.startswith('oops')


def has_flow(data: str) -> bool:
    """Whether a data config says where the flow of its videos lies."""
    return 'flow' in read(data).data


def spelling(value: str | bool) -> str | None:
    """Part of a test's name for one of :data:`COMBINATIONS`."""
    return value if isinstance(value, str) else 'flow' if value else 'rgb'


#: Every protocol with every data set that it can judge on: (protocol, data, flow).
COMBINATIONS = [
    (protocol, data, flow)
    for protocol in PROTOCOLS
    for data in DATA
    for flow in (False, True)
    if fits(protocol, data) and (has_flow(data) or not flow)
]


def flat_steps(pipeline: Pipeline) -> Iterator[Mapping[str, Any]]:
    """Configs of a pipeline's steps, those inside wrappers such as ``PerClip`` in their place."""
    return (step for _, step in located_steps(pipeline) if isinstance(step, Mapping))
