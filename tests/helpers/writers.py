"""Everything that the package writes, small or large, for tests of full disks.

``python -m helpers.writers FOLDER`` does what the tests need on a small disk of its own: each file
is written small, the disk is filled, and what became of the large one is printed as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from mmssl_video.apis.features import FeatureSet
from mmssl_video.atomic_files import write_atomic
from mmssl_video.checkpoints import save_atomic
from mmssl_video.datasets.demo_videos import write_video
from mmssl_video.datasets.flow_format import FlowInfo, write_folder, write_packed
from mmssl_video.datasets.preparation.list_files import write_text
from mmssl_video.models.memory_bank.storage import CellTable
from mmssl_video.results.figures import save_figure
from mmssl_video.results.records import append_results
from mmssl_video.results.result_files import ClassScores
from mmssl_video.results.surprise_curves import SurpriseCurve, save_curves


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, count, dtype=np.uint8)


def _features(path, size):
    rows = noise(size).reshape(-1, 4).astype(np.float32)
    names = [f'{i}' for i in range(len(rows))]
    ones = np.ones(len(rows), dtype=np.int64)
    FeatureSet(rows, ones, names, ones, {}).save(path)


def _scores(path, size):
    rows = noise(size).reshape(-1, 4).astype(np.float32)
    ClassScores([f'{i}' for i in range(len(rows))], np.arange(len(rows)), rows, {}).save(path)


def _curves(path, size):
    values = noise(size).astype(np.float64)
    save_curves(path, [SurpriseCurve('a', values, values, values, 0.5, 3.0)], {})


def _figure(path, size):
    figure = Figure(figsize=(2, 2))
    figure.add_axes([0, 0, 1, 1]).imshow(noise(size).reshape(8, -1), aspect='auto')
    save_figure(figure, path, dpi=50 if size < 9999 else 400)


def _flow(path, size):
    info = FlowInfo(20, 1, size // 2048 + 1, 0, 32, 32)
    flows = [noise(2048).reshape(32, 32, 2)] * len(info)
    (write_packed if path.suffix == '.mp4' else write_folder)(path, flows, info, 25)


def _video(path, size):
    write_video(path, noise(size // 3072 * 3072).reshape(-1, 32, 32, 3))


def _bank(path, size):
    table = CellTable(1, 1, 'float32', 'mapped')
    table.open(size // 4, path.parent, 'cpu')
    table.tensor.fill_(1)
    table.state(path)
    table.close()


#: How each file is written: ``write(path, bytes of noise that go into it)``.
WRITERS = {
    'features.npz': _features,
    'scores.npz': _scores,
    'curves.npz': _curves,
    'figure.png': _figure,
    'flow.mp4': _flow,
    'flow.folder': _flow,
    'video.mp4': _video,
    'bank.bin': _bank,
    'results.json': lambda path, size: append_results(path, [dict(protocol='x' * size)]),
    'report.txt': lambda path, size: write_atomic(b'x' * size, path),
    'list.txt': lambda path, size: write_text(path, ['x' * size]),
    'model.pth': lambda path, size: save_atomic(
        dict(state_dict=dict(weight=torch.from_numpy(noise(size)))), path
    ),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


@contextmanager
def file_limit(size: int):
    """No file of this process may grow beyond ``size`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def main(folder: Path) -> None:
    outcomes = {}
    for name, write in WRITERS.items():
        place = folder / name.replace('.', '_')
        place.mkdir()
        write(place / name, 6144)
        before = contents(place)
        filler = folder / 'filler'
        with filler.open('wb', buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                file.truncate(file.tell() - 65536)
        try:
            write(place / name, 3072 * 200)
            said = None
        except Exception as error:
            said = [type(error).__name__, str(error)]
        outcomes[name] = dict(error=said, kept=contents(place) == before)
        filler.unlink()
    print(json.dumps(outcomes))


if __name__ == '__main__':
    main(Path(sys.argv[1]))
