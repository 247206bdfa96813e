"""Optical flow of many videos: TV-L1, in parallel, to be taken up again where it was stopped.

MemDPC (section 5.2) takes TV-L1 flow (Zach, Pock, Bischof, 2007), "to eliminate extra supervisory
signals", with the parameters of OpenCV: so did its released script. :mod:`.flow_format` describes
the files.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Callable

import cv2
import numpy as np

from mmssl_video.datasets.decoding import VideoSource
from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.flow_format import (
    SUFFIXES,
    FlowInfo,
    check_encoder,
    flow_path,
    remove_partial,
    to_bytes,
    write_folder,
    write_packed,
)
from mmssl_video.datasets.list_names import check_below
from mmssl_video.datasets.preparation.parallel import Failure, run_jobs
from mmssl_video.datasets.transforms.flow_input import FlowFolder, open_flow
from mmssl_video.datasets.video_folder import scan_video_folder

_TIMEOUT = 1e6  # seconds for one video; hours of video take days


@dataclass
class FlowReport:
    """What :func:`extract_flow` has done.

    Attributes:
        total: Videos in all.
        made: Videos whose flow was made.
        there: Videos whose flow was there, whole, already.
        flows: Flows computed, over all videos.
        bad: Video -> why it has no flow.
    """

    total: int
    made: int = 0
    there: int = 0
    flows: int = 0
    bad: dict[str, str] = field(default_factory=dict)


def tvl1():
    """OpenCV's TV-L1 with its default parameters.

    Raises:
        RuntimeError: The installed OpenCV has none, or one that does not work.
    """
    try:
        method = cv2.optflow.createOptFlow_DualTVL1()
        grey = np.zeros((16, 16), np.uint8)
        method.calc(grey, grey, np.zeros((16, 16, 2), np.float32))
        return method
    except (AttributeError, cv2.error):
        raise RuntimeError(
            'TV-L1 flow needs a working cv2.optflow, which only opencv-contrib-python has: pip '
            'uninstall -y opencv-python opencv-contrib-python, then pip install '
            f'opencv-contrib-python=={cv2.__version__}'
        ) from None


def flow_between(
    frames: Iterable[np.ndarray], step: int = 1, resize: int = 0, bound: int = 20
) -> Iterator[np.ndarray]:
    """TV-L1 flow of a video.

    Args:
        frames: RGB frames ``[H, W, 3]`` uint8 of one size; T of them.
        step: From frame t to frame t + step.
        resize: Resize frames to this short side in pixels before; 0 leaves them as they are.
            Displacements are in pixels of what comes out.
        bound: Longer displacements are clipped to it.

    Yields:
        T - step flows ``[H, W, 2]`` uint8, to the right and downwards, see
        :func:`~mmssl_video.datasets.flow_format.to_bytes`.
    """
    method = tvl1()
    last: deque[np.ndarray] = deque(maxlen=step)
    for frame in frames:
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if resize:
            height, width = resized(grey.shape[0], grey.shape[1], resize)
            shrinks = height < grey.shape[0]
            grey = cv2.resize(
                grey, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            )
        if len(last) == step:
            yield to_bytes(method.calc(last[0], grey, None), bound)
        last.append(grey)


def resized(height: int, width: int, short: int) -> tuple[int, int]:
    """Height and width of a frame with short side ``short``; 0 leaves it as it is."""
    if not short:
        return height, width
    scale = short / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def extract_video(
    video: str | os.PathLike,
    target: Path,
    kind: str = 'mp4',
    bound: int = 20,
    step: int = 1,
    resize: int = 0,
    crf: int = 0,
    overwrite: bool = False,
) -> int:
    """Write the flow of one video.

    Args:
        video: The video.
        target: File or folder to write; folders above it are made.
        kind: ``'mp4'`` or ``'jpeg'``.
        bound, step, resize: See :func:`flow_between`.
        crf: Quality of packed files; 0 is exact.
        overwrite: Make it although it is there.

    Returns:
        Flows made; -1 when they were there, whole.

    Raises:
        BadVideoError: The video has no flow, or ``target`` is there with other settings.
    """
    if not overwrite and _is_there(target, bound, step, resize):
        return -1
    source = VideoSource(video)
    if len(source) <= step:
        raise BadVideoError(
            video,
            f'has {len(source)} frame{"s"[: len(source) != 1]}; flow over '
            f'{step} frame{"s"[: step != 1]} needs at least {step + 1}',
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_partial(target)
    frames = source.iter_frames()
    first = next(frames)
    height, width = resized(first.shape[0], first.shape[1], resize)
    info = FlowInfo(bound, step, len(source), resize, height, width)

    def all_frames():
        yield first
        for frame in frames:
            if frame.shape != first.shape:
                raise BadVideoError(video, f'its frames change size: {first.shape}, {frame.shape}')
            yield frame

    flows = flow_between(all_frames(), step, resize, bound)
    try:
        if kind == 'mp4':
            write_packed(target, flows, info, source.fps, crf)
        else:
            write_folder(target, flows, info, source.fps)
    except cv2.error as error:
        raise BadVideoError(video, f'OpenCV cannot compute its flow ({error.err})') from error
    return len(info)


def _is_there(target: Path, bound: int, step: int, resize: int) -> bool:
    """Whether a whole flow of these settings is there; one of others is an error."""
    if not target.exists():
        return False
    try:
        flow = open_flow(target)
    except BadVideoError:
        return False  # damaged: it is made anew
    other = flow.info.differs(bound=bound, step=step, resize=resize)
    if other:
        raise BadVideoError(
            target,
            f'the flow that is there was made with {other}: give another '
            'folder for the flow, or --overwrite',
        )
    return not isinstance(flow, FlowFolder) or flow.is_whole()


def _job(job, options: dict) -> int | Failure:
    cv2.setNumThreads(1)  # there is a process per core
    video, target = job
    try:
        return extract_video(video, target, **options)
    except BadVideoError as error:
        return Failure(error.reason or str(error))


def extract_flow(
    names: Sequence[str],
    root: str | os.PathLike,
    out: str | os.PathLike,
    kind: str = 'mp4',
    workers: int = 1,
    bound: int = 20,
    step: int = 1,
    resize: int = 0,
    crf: int = 0,
    overwrite: bool = False,
    progress: Callable[[FlowReport], None] | None = None,
) -> FlowReport:
    """Write the flow of many videos; bad ones are reported, the rest is made.

    Args:
        names: Paths of the videos below ``root``.
        root: Folder of the videos.
        out: Folder of the flows: that of ``a/b.avi`` is ``a/b.avi.flow.mp4`` or ``a/b.avi.flow``.
        kind: ``'mp4'`` (packed) or ``'jpeg'``.
        workers: Processes, each with one thread.
        bound, step, resize, crf, overwrite: See :func:`extract_video`.
        progress: Called with the report so far after every video.

    Returns:
        The report.

    Raises:
        ValueError: A setting makes no sense, no names, or one that leads out of ``out``.
        FileNotFoundError: None of the videos is there.
        RuntimeError: OpenCV has no TV-L1, or PyAV cannot write H.264.
    """
    if kind not in SUFFIXES:
        raise ValueError(f'format must be one of {tuple(SUFFIXES)}, got {kind!r}')
    for key, value, least in (
        ('workers', workers, 1),
        ('bound', bound, 1),
        ('step', step, 1),
        ('resize', resize, 0),
        ('crf', crf, 0),
    ):
        if value < least:
            raise ValueError(f'{key} must be at least {least}, got {value}')
    if not names:
        raise ValueError('there are no videos to extract flow from')
    if not any(os.path.exists(os.path.join(root, name)) for name in names):
        raise FileNotFoundError(
            f'none of the {len(names)} videos is there: the first would be '
            f'{os.path.join(root, names[0])!r}; --root is the folder that '
            'the paths of the lists start from'
        )
    if kind == 'mp4':
        check_encoder()
    names = list(dict.fromkeys(names))
    for number, name in enumerate(names, 1):
        check_below(name, f'video {number}', f'the folder of flows {str(out)!r}')
    jobs = [(os.path.join(root, name), flow_path(out, name, kind)) for name in names]
    there = next((target for _, target in jobs if not overwrite and target.exists()), None)
    if there is not None:
        try:
            _is_there(there, bound, step, resize)
        except BadVideoError as error:
            raise ValueError(str(error)) from None
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # OpenCV's threads would not survive the fork of the processes
    try:
        tvl1()
        Path(out).mkdir(parents=True, exist_ok=True)
        report = FlowReport(len(jobs))
        options = dict(
            kind=kind, bound=bound, step=step, resize=resize, crf=crf, overwrite=overwrite
        )
        for number, result in run_jobs(partial(_job, options=options), jobs, workers, _TIMEOUT):
            if isinstance(result, Failure):
                report.bad[names[number]] = result.reason
            elif result < 0:
                report.there += 1
            else:
                report.made += 1
                report.flows += result
            if progress:
                progress(report)
    finally:
        cv2.setNumThreads(threads)
    return report


def find_videos(
    sources: Sequence[str | os.PathLike], root: str | os.PathLike | None = None
) -> tuple[list[str], Path]:
    """Videos named by lists and folders, each once, in their order.

    Args:
        sources: Folders of videos, and list files with a path and perhaps a number (label, or time)
            in a line, relative to ``root``.
        root: Folder that paths start from. Needed for lists; a single folder is its own root.

    Returns:
        Paths relative to the root, and the root.

    Raises:
        FileNotFoundError: A source or the root is not there, or a folder holds no videos.
        ValueError: No root, or a folder or a path of a list that is not below it.
    """
    folders = [Path(source) for source in sources if os.path.isdir(source)]
    if root is None:
        if len(sources) != 1 or not folders:
            raise ValueError(
                '--root is needed: the folder that the paths of the lists start from '
                '(and that the folders lie in)'
            )
        root = folders[0]
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f'the folder of videos {str(root)!r} (--root) is not there')
    names: dict[str, None] = {}
    for source in sources:
        if os.path.isdir(source):
            below = os.path.relpath(os.path.abspath(source), os.path.abspath(root))
            if below.split(os.sep)[0] == os.pardir:
                raise ValueError(f'the folder {str(source)!r} does not lie in --root {str(root)!r}')
            videos = [
                Path(below, name).as_posix()
                for name, _ in scan_video_folder(source)[0]
                if not name.endswith(SUFFIXES['mp4'])
            ]
        elif os.path.isfile(source):
            videos = _listed(source, root)
        else:
            raise FileNotFoundError(f'there is no list or folder {str(source)!r}')
        names.update(dict.fromkeys(videos))
    return list(names), root


def _listed(source, root) -> list[str]:
    try:
        text = Path(source).read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        place = error.object[: error.start].count(b'\n') + 1
        raise ValueError(
            f'{str(source)!r} is no list of videos: line {place} is not UTF-8 text'
        ) from None
    names = []
    for number, line in enumerate(map(str.strip, text.split('\n')), 1):
        if not line:
            continue
        name, _, last = line.replace('\t', ' ').rpartition(' ')
        name = line[: len(name)].rstrip()
        try:
            float(last)
        except ValueError:
            name = line  # no label
        # a number may also end a name
        names.append(line if not name or Path(root, line).is_file() else name)
        check_below(names[-1], f'{source}, line {number}', 'the folder of flows')
    return names
