"""Pictures of what a memory learnt: ``mmssl memory CKPT --videos LIST``."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checkpoints import load_checkpoint_file, load_full
from ..datasets.views import test_pipeline, view_of
from ..datasets.windows import as_windows
from ..models.recognizers.self_supervised import SelfSupervisedRecognizer
from ..results.memory_figure import draw_memory, embed
from .encoder import Encoder, build_encoder
from .features import FeatureSet, build_dataset, extract_features


class MemoryView(nn.Module):
    """Gives what is drawn of a window in the place of its feature.

    Args:
        model: A :class:`SelfSupervisedRecognizer` with a ``memory_view``.

    Raises:
        ValueError: It has none.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        if not isinstance(model, SelfSupervisedRecognizer):
            raise ValueError(f'a {type(model).__name__} has no memory slots to draw')
        self.model, self.view = model, model.memory_view()
        self.widths: dict[str, int] = {}

    @property
    def data_preprocessor(self) -> nn.Module:
        return self.model.data_preprocessor

    @property
    def slots(self) -> Tensor:
        """The slots in the space of the targets, ``[S, D]``; of several heads only their parts."""
        return self.view.slots

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """All parts side by side, ``[B, D]``."""
        parts = self.view.parts(inputs)
        self.widths = {name: value.shape[1] for name, value in parts.items()}
        return torch.cat(list(parts.values()), 1)

    def split(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Parts by name of rows that :meth:`extract_feat` gave."""
        ends = np.cumsum(list(self.widths.values()))[:-1]
        return dict(zip(self.widths, np.split(rows, ends, axis=1)))


def picture_memory(
    checkpoints: Sequence[str | Path],
    videos: str | Path,
    out: str | Path,
    *,
    classes: Sequence[str] | None = None,
    root: str | Path | None = None,
    num_windows: int = 4,
    top: int = 6,
    num_workers: int = 0,
    device: str | None = None,
) -> dict[str, Any]:
    """Draw the memory of a pre-trained model; see ``mmssl memory --help``.

    P(action | slot) is FGKVMemPred Figure 4, the top clips of the most active concepts Figure 5,
    the similarity of the two encoders' features of different clips of a video Figure 6; the videos
    nearest to a slot are MemDPC Figure 8, t-SNE over several checkpoints Figure 9.

    Args:
        checkpoints: One or more; the last is drawn, t-SNE shows all.
        videos: List file with labels.
        out: The PNG.
        classes: Names of the folders of classes, or labels.
        root: Folder that the paths start from.
        num_windows: Clips per video, at equal distances.
        top: How many concepts (or slots), and how many clips of each.
        num_workers: Decoding processes.
        device: Where to compute; the GPU where there is one.

    Returns:
        The figures that the picture shows, by name.

    Raises:
        ValueError: A model without slots, an unknown class, unlabelled videos, or t-SNE without
            scikit-learn.
    """
    if len(checkpoints) > 1 and importlib.util.find_spec('sklearn') is None:
        raise ValueError(
            't-SNE over several checkpoints needs scikit-learn: pip install '
            'scikit-learn (or mmssl_video[tsne]), or give one checkpoint'
        )
    drawn: list[MemoryView] = []
    views, config = [], None
    for checkpoint in checkpoints:
        encoder = build_encoder(checkpoint, device=device)
        load_full(encoder.model, load_checkpoint_file(checkpoint), str(checkpoint))
        drawn.append(MemoryView(encoder.model))
        views.append(
            Encoder(
                drawn[-1], encoder.config, encoder.name, encoder.checkpoint, encoder.checkpoint_hash
            )
        )
        config = encoder.config
    pipeline = test_pipeline(view_of(config), num_windows)
    dataset = dict(
        type='VideoListDataset',
        ann_file=str(videos),
        pipeline=pipeline,
        data_prefix=dict(video=str(Path(videos).parent if root is None else root)),
    )
    sets = [
        extract_features(view, dataset, num_workers=num_workers, clips='each') for view in views
    ]
    chosen = choose_classes(sets[-1], classes)
    parts = drawn[-1].split(sets[-1].features)
    labels = sets[-1].row_labels
    figures = dict(
        slots=class_given_slot(parts['slots'], labels, list(chosen)),
        usage=parts['slots'][np.isin(labels, list(chosen))].mean(0),
    )
    if 'online' in parts:
        figures['similarity'] = encoder_similarity(
            parts['online'], parts['momentum'], sets[-1].counts
        )
    rows, activity = _answers(drawn[-1], parts)
    order = np.argsort(-activity, kind='stable')[:top]
    best = [
        distinct(np.argsort(-rows[:, unit], kind='stable'), sets[-1].counts, top) for unit in order
    ]
    strips = (
        _frames_of(dataset, sets[-1], best),
        [int(unit) for unit in order],
        'concept' if 'concepts' in parts else 'slot',
    )
    if len(views) > 1:
        figures['tsne'] = [
            (view.name, embed(memory.split(extracted.features)['slots']))
            for view, memory, extracted in zip(views, drawn, sets)
        ]
    draw_memory(out, figures, strips, list(chosen.values()), list(chosen), labels)
    usage = parts['slots'].mean(0)
    entropy = float(-(usage * np.log(np.maximum(usage, 1e-12))).sum() / np.log(len(usage)))
    facts = {
        'videos': len(sets[-1].names),
        'left out': len(sets[-1].unreadable),
        'usage entropy of the slots': round(entropy, 3),
        'largest P(action | slot)': round(float(figures['slots'].max()), 3),
    }
    if 'similarity' in figures:
        facts['mean cosine of the encoders'] = round(float(figures['similarity'].mean()), 3)
    return facts


def _answers(view: MemoryView, parts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """How much each clip answers to each concept, or how near to each slot it lies, ``[clips,
    units]``, and how active each unit is, ``[units]``."""
    if 'concepts' in parts:
        return parts['concepts'], parts['concepts'].mean(0)
    slots, used = view.slots.detach().float().cpu(), parts['slots'].mean(0)
    if slots.shape[1] != parts['target'].shape[1]:  # heads store parts of a target
        return parts['slots'], used
    targets = F.normalize(torch.from_numpy(parts['target']), dim=1)
    return (targets @ F.normalize(slots, dim=1).T).numpy(), used


def choose_classes(found: FeatureSet, classes: Sequence[str] | None) -> dict[int, str]:
    """Label -> name of the classes to show; a class is named by the folder of its videos.

    Raises:
        ValueError: There are no labels, or no such class.
    """
    if (found.labels < 0).any():
        raise ValueError('P(action | slot) needs labels: give a list file with `path label` lines')
    names = {
        int(label): Path(name).parent.name or str(label)
        for name, label in zip(reversed(found.names), reversed(found.labels))
    }
    if classes is None:
        return {label: names[label] for label in sorted(names)[:8]}
    by_name = {
        **{str(label): label for label in names},
        **{name: label for label, name in names.items()},
    }
    unknown = [name for name in classes if name not in by_name]
    if unknown:
        raise ValueError(
            f'there is no class {", ".join(unknown)} in the list; its classes are '
            f'{", ".join(names[label] for label in sorted(names))}'
        )
    return {by_name[name]: names[by_name[name]] for name in classes}


def class_given_slot(slots: np.ndarray, labels: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """P(action | slot) among all classes, for some of them.

    The probability of a slot is averaged within each class first, so that classes with more videos
    do not own more slots.

    Args:
        slots: Slot probabilities of clips, ``[clips, S]``.
        labels: Their classes.
        chosen: Classes to give.

    Returns:
        ``[len(chosen), S]``.
    """
    means = {label: slots[labels == label].mean(0) for label in np.unique(labels)}
    total = np.maximum(sum(means.values()), 1e-12)
    return np.stack([means[label] / total for label in chosen])


def encoder_similarity(online: np.ndarray, momentum: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Cosine of the online features of each clip and the target's of the next of its video."""
    if len(set(counts.tolist())) == 1 and counts[0] == 1:
        raise ValueError(
            'the encoders are compared on different clips of a video: take at least 2 windows'
        )
    ends = np.cumsum(counts)
    following = np.arange(len(online)) + 1
    following[ends - 1] = ends - counts
    left, right = (F.normalize(torch.from_numpy(rows), dim=1) for rows in (online, momentum))
    return (left * right[torch.from_numpy(following)]).sum(1).numpy()


def distinct(order: np.ndarray, counts: np.ndarray, top: int) -> list[int]:
    """The first ``top`` clips of an order, one of each video."""
    video_of = np.repeat(np.arange(len(counts)), counts)
    kept: dict[int, int] = {}
    for row in order:
        kept.setdefault(int(video_of[row]), int(row))
        if len(kept) == top:
            break
    return list(kept.values())


def _frames_of(config: dict, found: FeatureSet, rows: list[list[int]]) -> list[list[np.ndarray]]:
    """Middle frames ``[H, W, 3]`` of clips, given as rows of the features."""
    dataset = build_dataset(config)
    places = {str(dataset.get_data_info(i)['filename']): i for i in range(len(dataset))}
    starts = np.cumsum(found.counts) - found.counts
    video_of = np.repeat(np.arange(len(found.counts)), found.counts)
    strips: list[list[np.ndarray]] = []
    for line in rows:
        strips.append([])
        for row in line:
            video = video_of[row]
            windows = as_windows(
                dataset[places[found.names[video]]]['inputs'], dataset.view.num_blocks
            )
            window = windows[row - starts[video]]
            clip = window[len(window) // 2]
            strips[-1].append(clip[:, clip.shape[1] // 2].permute(1, 2, 0).byte().numpy())
    return strips
