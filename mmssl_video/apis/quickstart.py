"""Pre-train MemDPC on the demo videos or on a folder of one's own, then judge what it learned."""

from __future__ import annotations

import copy
import json
import os
import random
from pathlib import Path

from mmengine.config import Config

from ..atomic_files import write_atomic
from ..datasets.demo_videos import make_demo_videos
from ..datasets.errors import BadVideoError
from ..datasets.transforms.video_io import VideoInit
from ..datasets.video_folder import write_lists
from ..datasets.view_pipelines import known_window
from ..datasets.views import test_pipeline, view_of
from ..models.recognizers.self_supervised import SelfSupervisedRecognizer, method_of
from ..results.records import to_json
from ..results.run_figure import draw_figure
from ..results.table import format_table
from ..results.work_dir import check_work_dir
from ..settings.load import load_config
from .encoder import build_encoder
from .evaluation import run_evaluation
from .features import extract_features
from .loop import run_loop
from .training import train

PROBES = ('linear', 'knn', 'retrieval')
# What it takes from these configs: not the grid of SGD heads, which says the same more slowly.
PROTOCOLS = ('linear/cached', 'knn/cosine', 'knn/weighted', 'retrieval/context-mean-cosine')
# Where the demo configs look for the demo videos.
DEMO_FOLDER = Path('data/demo')
# Share of unreadable videos at which it stops.
MAX_BAD_SHARE = 0.2
# Number of training videos the demo config's epochs are meant for.
DEMO_VIDEOS = 256


def run_quickstart(
    videos: str | Path | None = None,
    out: str | Path | None = None,
    config: str | Path = 'memdpc_demo.py',
    epochs: int | None = None,
    seed: int = 0,
) -> str:
    """Pre-train on videos, then judge the encoder beside untrained ones and trivial features.

    Steps that an interrupted run has finished are not repeated: the same call goes on from the last
    epoch.

    Args:
        videos: Folder ``DIR/<class>/**/*.mp4``; None for generated demo videos. Without class
            folders the encoder is pre-trained and its features are written.
        out: Folder to write; ``work_dirs/quickstart`` (of a folder, with its name) by default.
        config: Pre-training config.
        epochs: Of pre-training; by default as many as see the number of clips that the config sees
            on the demo videos.
        seed: Of the training, of the random encoder and of the split of ``videos``.

    Returns:
        The report, which is also in ``report.txt``, and the names of what is written.

    Raises:
        NotADirectoryError: ``videos`` is no folder.
        ValueError: It holds too few videos, ``out`` holds another run, ``epochs`` or ``seed`` are
            out of range, or the config's method has no accuracy on held-out videos.
    """
    if videos is not None and not Path(videos).is_dir():
        raise NotADirectoryError(
            f'--videos {str(videos)!r} is no folder: name the folder that holds the videos'
        )
    if epochs is not None and epochs < 1:
        raise ValueError(f'epochs must be at least 1, not {epochs}')
    if not 0 <= seed < 2**32:
        raise ValueError(f'seed must be from 0 to {2**32 - 1}, not {seed}')
    check_method(config)
    name = 'quickstart' if videos is None else f'quickstart_{Path(videos).resolve().name}'
    out = Path(out or Path('work_dirs') / name)
    check_work_dir(out, 'the folder', '--out')

    heading(1, 'Videos')
    data = demo_data(DEMO_FOLDER) if videos is None else own_data(Path(videos), out / 'lists', seed)
    cfg = pretraining_config(config, epochs, seed, data, out, fit_stride=videos is not None)
    check_same_run(
        out / 'settings.json',
        dict(
            videos=data['root'],
            config=str(config),
            epochs=cfg.train_cfg.max_epochs,
            seed=seed,
            train=Path(data['train']).read_text(encoding='utf-8').splitlines(),
        ),
    )

    heading(2, f'Pre-training: {cfg.train_cfg.max_epochs} epochs of {data["num_train"]} videos')
    checkpoint = out / 'pretrain' / f'epoch_{cfg.train_cfg.max_epochs}.pth'
    if checkpoint.is_file():
        print(f'{checkpoint} is there already')
    else:
        train(copy.deepcopy(cfg), resume='auto')

    heading(3, 'Judging')
    heldout = [
        run_loop(copy.deepcopy(cfg), source, seed)[0] for source in (str(checkpoint), 'random')
    ]
    encoder = build_encoder(checkpoint, name='pre-trained')
    records = []
    if data['classes']:
        records = probe(encoder, data, seed, out / 'results.json')
    else:
        print('There are no class folders, so there is nothing to probe: features only.')
        features = extract_features(
            encoder,
            dict(
                cfg.val_dataloader.dataset,
                ann_file=data['all'],
                pipeline=test_pipeline(encoder.view),
            ),
            num_workers=1,
        )
        features.save(out / 'features.npz')
    return report(out, heldout, records)


def check_method(config: str | Path) -> None:
    """See whether a config trains a method whose figures on held-out videos can be explained.

    Raises:
        ValueError: It does not.
    """
    cfg = load_config(config)
    method = method_of(cfg.get('model'))
    if (
        method is None
        or method.reference_levels is SelfSupervisedRecognizer.reference_levels
        or not cfg.get('val_dataloader')
    ):
        raise ValueError(
            f'--config {config}: quickstart judges a pre-training by its accuracy on held-out '
            'videos beside guessing, which this one does not have: take memdpc_demo or dpc_demo, '
            'or use mmssl train and mmssl test'
        )


def heading(number: int, text: str) -> None:
    print(f'\n== {number}/3 {text}', flush=True)


def demo_data(folder: Path) -> dict:
    """Make the demo videos, unless they are there."""

    def progress(done, total):
        if done * 4 // total > (done - 1) * 4 // total:
            print(f'{done}/{total} demo videos made', flush=True)

    make_demo_videos(folder, workers=os.cpu_count() or 1, progress=progress)
    print(f'Demo videos are in {folder}.')
    lists = {name: folder / f'{name}.txt' for name in ('train', 'test')}
    return dict(
        name='demo videos',
        root=str(folder / 'videos'),
        classes=(folder / 'classes.txt').read_text().split(),
        **{name: str(path) for name, path in lists.items()},
        **{f'num_{name}': len(path.read_text().splitlines()) for name, path in lists.items()},
    )


def own_data(folder: Path, lists: Path, seed: int) -> dict:
    """Write lists for a folder of the user's own."""
    data = write_lists(folder, lists, seed=seed)
    if data['num_test'] < 2:  # a quarter of very few
        data = write_lists(folder, lists, test_share=0.5, seed=seed)
    if min(data['num_train'], data['num_test']) < 2:
        raise ValueError(
            f'{folder} holds {data["num_train"] + data["num_test"]} videos, of which '
            f'{data["num_test"]} can be held out: too few, as to learn from some and to judge on '
            'others takes at least 2 each (of a class of one video none is held out)'
        )
    classes = f'{len(data["classes"])} classes' if data['classes'] else 'no class folders'
    print(
        f'{data["num_train"]} training and {data["num_test"]} held-out videos, {classes}; '
        f'{data["num_other"]} other files passed over. Lists are in {lists}.'
    )
    for note in filter(None, (data['hint'], data['notice'])):
        print(f'note: {note}')
    return dict(data, name=folder.resolve().name, root=str(folder))


def fitting_stride(data: dict, num_frames: int, stride: float, seed: int) -> float:
    """Largest stride, up to that of the config, at which nine of ten videos hold a whole window.

    A shorter video is wrapped round, so that predicted blocks repeat observed ones: easy to
    predict, and nothing to learn from.
    """
    names = [
        line.rsplit(' ', 1)[0]
        for line in Path(data['train']).read_text(encoding='utf-8').strip().split('\n')
    ]
    opener, lengths = VideoInit(), []
    for name in random.Random(seed).sample(names, min(len(names), 200)):
        try:
            lengths.append(opener(dict(filename=str(Path(data['root'], name))))['total_frames'])
        except BadVideoError:  # named and counted by the run itself
            continue
    if not lengths:
        raise ValueError(f'none of the videos tried in {data["root"]} can be read')
    usual = sorted(lengths)[len(lengths) // 10]
    fitting = max(1, min(stride, (usual - 1) // (num_frames - 1)))
    short = sum(length < (num_frames - 1) * fitting + 1 for length in lengths)
    if fitting != stride or short:
        print(
            f'Windows are {num_frames} frames at stride {fitting} (the config says {stride}); '
            f'{short} of {len(lengths)} videos looked at are shorter than that and are wrapped '
            'round.'
        )
    if short > len(lengths) / 10:
        print(
            'warning: what is wrapped round repeats itself, which makes the self-supervised '
            'figures look better than they are'
        )
    return fitting


def pretraining_config(
    name: str | Path, epochs: int | None, seed: int, data: dict, out: Path, fit_stride: bool
) -> Config:
    """The pre-training config for these videos, as long as it is on the demo videos."""
    cfg = load_config(name)
    if fit_stride:
        view = view_of(cfg.train_dataloader)
        data['stride'] = fitting_stride(data, *known_window(view), seed)
        for name, seen in (('train', view), ('val', view_of(cfg.val_dataloader))):
            for key in seen.where['stride']:
                cfg.merge_from_dict({f'{name}_dataloader.{key}': data['stride']})
    for loader, name in ((cfg.train_dataloader, 'train'), (cfg.val_dataloader, 'test')):
        loader.batch_size = min(loader.batch_size, data[f'num_{name}'])
        loader.dataset.ann_file = data[name]
        loader.dataset.data_prefix = dict(video=data['root'])
        # In a small folder a single bad file is a large share already.
        loader.dataset.max_bad_share = MAX_BAD_SHARE
    demo_epochs = cfg.train_cfg.max_epochs
    epochs = epochs or max(1, round(demo_epochs * DEMO_VIDEOS / data['num_train']))
    # As many looks at the held-out videos as the config has.
    cfg.train_cfg.val_interval = max(1, round(cfg.train_cfg.val_interval * epochs / demo_epochs))
    cfg.train_cfg.max_epochs = epochs
    cfg.default_hooks.checkpoint.interval = max(1, epochs // 8)
    cfg.randomness.seed = seed
    cfg.work_dir = str(out / 'pretrain')
    return cfg


def check_same_run(file: Path, settings: dict) -> None:
    """Refuse to continue another run; note the settings of a new one."""
    if file.exists() and json.loads(file.read_text(encoding='utf-8')) != settings:
        raise ValueError(
            f'{file.parent} holds a run with other videos or settings: give another '
            'folder with --out, or remove it'
        )
    write_atomic(json.dumps(settings, indent=1).encode(), file)


def probe(encoder, data: dict, seed: int, results: Path) -> list[dict]:
    """All probe protocols on the encoder, the random encoders and the trivial baselines."""
    videos = dict(
        name=data['name'],
        settings='demo',
        **{
            name: dict(ann_file=data[name], data_prefix=dict(video=data['root']))
            for name in ('train', 'test')
        },
    )
    probes = [load_config(name, data=videos) for name in PROBES]
    each = [cfg.evaluation.protocol for cfg in probes]
    protocols = sum((p if isinstance(p, list) else [p] for p in each), [])
    settings = probes[0].evaluation
    settings.protocol = [p for p in protocols if p['type'] in PROTOCOLS]
    settings.max_bad_share = MAX_BAD_SHARE
    settings.gallery.num_workers = settings.query.num_workers = 1
    results.unlink(missing_ok=True)
    return run_evaluation(probes[0], encoder, seed=seed, out=results)


def report(out: Path, heldout: list[dict], records: list[dict]) -> str:
    """Tell everything as text, write it as JSON and draw it."""
    trained, untrained = heldout
    levels = {name: 100 * level for name, level in trained['chance'].items()}
    top1 = 100 * trained['metrics']['ssl/top1']['value']
    lines = [
        'Self-supervised top-1 on held-out videos (no labels; the right place of the right block',
        'of the right clip among all of a batch), in %:',
        '',
        f'  pre-trained                       {top1:6.1f}',
        f'  untrained                         '
        f'{100 * untrained["metrics"]["ssl/top1"]["value"]:6.1f}',
    ]
    lines += [f'  {name:<32}  {level:6.1f}' for name, level in levels.items()]
    shortcut = levels['knows only the clip']
    lines += [
        '',
        f'The run {"passes" if top1 > shortcut else "does NOT pass"} the shortcut "knows '
        f'only the clip" ({top1:.1f}% against {shortcut:.1f}%).',
    ]
    if records:
        lines += [
            '',
            format_table(records),
            '',
            'Minutes on a CPU hardly move a probe: the proof that the run worked is the '
            'held-out top-1 above.',
        ]
    text = '\n'.join(lines)
    write_atomic(f'{text}\n'.encode(), out / 'report.txt')
    write_atomic(
        to_json(dict(self_supervised=heldout, probes=records)).encode(),
        out / 'report.json',
    )
    draw_figure(
        out / 'report.png', scalars=out / 'pretrain', records=records or None, levels=levels
    )
    written = ['report.txt', 'report.json', 'report.png'] + ([] if records else ['features.npz'])
    return (
        f'{text}\n\nWritten to {out}: {", ".join(written)}; the checkpoint is '
        f'{heldout[0]["checkpoint"]}'
    )
