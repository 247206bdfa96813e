"""Files that carry an evaluation to a later one: class scores, and features for retrieval.

Two streams are fused from them (:mod:`mmssl_video.evaluation.two_streams`), and a figure can be
looked into video by video. Both are ``.npz`` without pickled objects.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_files import open_atomic


@dataclass
class ClassScores:
    """Class probabilities of the V videos of a test list.

    Args:
        names: The videos, as their list names them.
        labels: ``[V]`` int64.
        probabilities: ``[V, K]`` float32, rows sum to 1.
        info: How they were made: ``protocol``, ``version``, ``subject``, ``checkpoint_hash``,
            ``dataset``, ``split``, ``views``, ….
    """

    names: list[str]
    labels: np.ndarray
    probabilities: np.ndarray
    info: dict[str, Any]

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all; folders are made."""
        _save(
            path,
            'class scores',
            self.info,
            names=np.array(self.names, dtype=np.str_),
            labels=self.labels,
            probabilities=self.probabilities,
        )


@dataclass
class RetrievalFeatures:
    """Features of a gallery and a query list, and which video each row belongs to.

    A video may have one row (the mean over its windows) or several (clips searched one by one).

    Args:
        gallery, query: ``[rows, D]`` float32.
        gallery_labels, query_labels: ``[videos]`` int64.
        gallery_names, query_names: The videos, as their lists name them.
        gallery_counts, query_counts: ``[videos]`` int64, rows of each video, in the lists' order.
        info: As in :class:`ClassScores`, with the protocol's ``options``.
    """

    gallery: np.ndarray
    gallery_labels: np.ndarray
    gallery_names: list[str]
    gallery_counts: np.ndarray
    query: np.ndarray
    query_labels: np.ndarray
    query_names: list[str]
    query_counts: np.ndarray
    info: dict[str, Any]

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all; folders are made."""
        arrays = {
            key: np.array(value, dtype=np.str_) if key.endswith('names') else value
            for key, value in vars(self).items()
            if key != 'info'
        }
        _save(path, 'retrieval features', self.info, **arrays)


def load_result_file(path: str | Path) -> ClassScores | RetrievalFeatures:
    """Read what ``save`` of one of the two wrote.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no result file {path}: mmssl test --dump writes one')
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        kind, info = str(arrays.pop('kind')), json.loads(str(arrays.pop('info')))
        maker = {'class scores': ClassScores, 'retrieval features': RetrievalFeatures}[kind]
        arrays = {
            key: value.tolist() if key.endswith('names') else value for key, value in arrays.items()
        }
        return maker(info=info, **arrays)
    except (
        ValueError,
        KeyError,
        TypeError,
        OSError,
        EOFError,
        RecursionError,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(f'{path} is no result file of mmssl test --dump ({error})') from None


def _save(path, kind, info, **arrays):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open_atomic(path) as file:
        np.savez_compressed(file, kind=kind, info=json.dumps(info), **arrays)
