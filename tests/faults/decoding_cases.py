"""Random videos, sound and damaged, and what must hold for each; a case is one whole number.

``python tests/faults/decoding_cases.py 17`` replays case 17 and keeps its file in the working
directory; ``… 0 500`` runs the cases 0 to 499 and prints a line for each that failed.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # helpers, when run as a program

import av
import numpy as np

import mmssl_video  # noqa: F401  (must come before any mmaction import)
from helpers.odd_videos import (
    joined,
    plain_decode,
    remux,
    rotated,
    with_edit_list,
    with_empty_chunks,
    with_variable_rate,
)
from helpers.videos import numbered_frames, stream_copy_cut, write_video
from mmssl_video.datasets.decoding import VideoSource
from mmssl_video.datasets.errors import BadVideoError


def _x264(params: str) -> dict:
    return {'x264-params': f'scenecut=0:{params}'}


def _x265(params: str) -> dict:
    return {'x265-params': f'log-level=none:{params}'}


_VPX = {'deadline': 'realtime', 'cpu-used': '8', 'b': '300k'}
_ALT = {'auto-alt-ref': '1', 'lag-in-frames': '16', 'cpu-used': '8', 'b': '200k'}
_ISO = ('mp4', 'mov', 'mkv')
# name -> (encoder, containers, largest number of B-frames, options, pixel format)
CODECS = {
    'h264': ('libx264', (*_ISO, 'avi', 'ts', 'flv'), 3, {}, 'yuv420p'),
    'h264_444': ('libx264', _ISO, 3, {}, 'yuv444p'),
    'h264_refresh': ('libx264', (*_ISO, 'avi', 'ts'), 2, _x264('intra-refresh=1'), 'yuv420p'),
    'h264_open': ('libx264', (*_ISO, 'avi', 'ts'), 3, _x264('open-gop=1:b-adapt=0'), 'yuv420p'),
    'h264_slices': ('libx264', (*_ISO, 'avi'), 2, _x264('slices=3:open-gop=1'), 'yuv420p'),
    'h264_interlaced': ('libx264', (*_ISO, 'ts'), 2, _x264('interlaced=1'), 'yuv420p'),
    'h265': ('libx265', (*_ISO, 'ts'), 3, _x265('open-gop=1'), 'yuv420p'),
    'h265_closed': ('libx265', (*_ISO, 'ts'), 3, _x265('open-gop=0'), 'yuv420p'),
    'h265_refresh': ('libx265', _ISO, 0, _x265('intra-refresh=1'), 'yuv420p10le'),
    'vp8': ('libvpx', ('webm', 'mkv'), 0, _VPX, 'yuv420p'),
    'vp8_alt': ('libvpx', ('webm', 'mkv'), 0, _ALT, 'yuv420p'),
    'vp9': ('libvpx-vp9', ('webm', 'mkv', 'mp4'), 0, _VPX, 'yuv420p'),
    'vp9_alt': ('libvpx-vp9', ('webm', 'mkv', 'mp4'), 0, _ALT, 'yuv420p'),
    'av1': ('libsvtav1', ('webm', 'mkv', 'mp4'), 0, {'preset': '12'}, 'yuv420p'),
    'mpeg4': ('mpeg4', (*_ISO, 'avi', '3gp'), 2, {}, 'yuv420p'),
    'mpeg2': ('mpeg2video', (*_ISO, 'mpg', 'ts', 'avi', 'vob'), 2, {}, 'yuv420p'),
    'mpeg1': ('mpeg1video', ('mpg', 'mkv'), 2, {}, 'yuv420p'),
    'mjpeg': ('mjpeg', (*_ISO, 'avi'), 0, {}, 'yuvj420p'),
    'wmv2': ('wmv2', ('wmv', 'asf', 'avi'), 0, {}, 'yuv420p'),
    'msmpeg4': ('msmpeg4', ('avi', 'mkv', 'asf'), 0, {}, 'yuv420p'),
    'flv1': ('flv', ('flv', 'avi'), 0, {}, 'yuv420p'),
    'h263': ('h263p', ('avi',), 0, {}, 'yuv420p'),
    'ffv1': ('ffv1', ('mkv', 'avi'), 0, {}, 'yuv420p'),
    'prores': ('prores', ('mov', 'mkv'), 0, {}, 'yuv422p10le'),
    'huffyuv': ('huffyuv', ('avi',), 0, {}, 'yuv422p'),
    'png': ('png', ('mov', 'avi'), 0, {}, 'rgb24'),
}
TRICKS = ('rate', 'cut', 'edit', 'join', 'rotated', 'chunks', 'fragments')
# Containers that do not say how much must follow.
OPEN_ENDED = {'.mpg', '.vob', '.ts'}
# Where damage leaves no trace: containers that do not number or count their frames, and decoders
# that show what happens to lie in memory, or skip a frame without a word.
UNNOTICED = ('.asf', '.wmv', '.ts', '.mpg', '.vob', '.flv', 'mjpeg', 'ffv1', 'vp8', 'h264.avi')
DAMAGES = ('cut', 'flips', 'hole', 'zeros', 'cut', 'flips')


def make_sound(folder: Path, rng: np.random.Generator) -> tuple[Path, str]:
    """A random sound video; returns it with a description."""
    name = str(rng.choice(list(CODECS)))
    encoder, containers, most_b, options, pix_fmt = CODECS[name]
    container = str(rng.choice(containers))
    trick = str(rng.choice(TRICKS)) if rng.random() < 0.4 else ''
    if trick == 'chunks':
        container = 'avi' if 'avi' in containers else container
    elif trick and 'mov' in containers:
        container = str(rng.choice([each for each in ('mov', 'mp4') if each in containers]))
    b_frames = int(rng.integers(most_b + 1)) if trick not in ('rate', 'chunks') else 0
    count = int(rng.choice([1, 2, 3, rng.integers(4, 130), rng.integers(40, 130)]))
    gop = int(rng.integers(5, 60))
    size = 4 * int(rng.integers(16, 30)), 4 * int(rng.integers(20, 45))
    if name not in ('h263', 'h264_interlaced'):
        size = size[0] + 2 * int(rng.integers(2)), size[1] - 2 * int(rng.integers(2))
    if name in ('h264_444', 'mpeg4', 'ffv1', 'png', 'mjpeg') and rng.random() < 0.5:
        size = size[0] + 1, size[1] + 1
    path = write_video(
        folder / f'video.{container}',
        numbered_frames(count, size),
        encoder,
        pix_fmt=pix_fmt,
        gop=gop,
        b_frames=b_frames,
        fps=int(rng.choice([24, 25, 30])),
        options=options,
    )
    try:
        done = _unusual(path, folder / f'odd.{container}', trick, count, rng)
    except (
        av.FFmpegError,
        ValueError,
    ):  # not every codec's packets can be copied into every container
        done = None
    what = f'{name}.{container} {count} frames {size[1]}x{size[0]} gop {gop} b {b_frames}'
    return (done, f'{what}, {trick}') if done else (path, what)


def _unusual(path: Path, target: Path, trick: str, count: int, rng) -> Path | None:
    """Rewrite a file in one of ``TRICKS``, where that fits it."""
    if trick == 'chunks' and path.suffix == '.avi':
        return with_empty_chunks(path, target, int(rng.integers(1, 12)), int(rng.integers(1, 5)))
    if path.suffix not in ('.mp4', '.mov'):
        return None
    if trick == 'rate':
        return with_variable_rate(path, target, rng)
    if trick == 'cut' and count > 30:
        return stream_copy_cut(path, target, float(rng.uniform(0.1, count / 30 - 0.3)))
    if trick == 'edit' and count > 30 and b'elst' in path.read_bytes():
        return with_edit_list(path, target, length=int(rng.uniform(300, 1000 * count / 30)))
    if trick == 'join':
        return joined([path, path], target, [0, float(rng.uniform(0, count / 12))])
    if trick == 'fragments':
        return remux(path, target, options={'movflags': 'frag_keyframe+empty_moov'})
    return rotated(path, target) if trick == 'rotated' else None


def damage(path: Path, rng: np.random.Generator) -> str:
    """Damage a file in place; returns a description."""
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    kind, size = str(rng.choice(DAMAGES)), len(content)
    where = int(rng.integers(size))
    if kind == 'cut':
        content = content[:where]
    elif kind == 'hole':
        content = np.delete(content, slice(where, where + int(rng.integers(1, 2000))))
    elif kind == 'zeros':
        content[where : where + int(rng.integers(1, 2000))] = 0
    else:
        flips = rng.integers(size, size=int(rng.choice([1, 3, 30])))
        content[flips] = rng.integers(256, size=len(flips))
    path.write_bytes(content.tobytes())
    return f'{kind} at {where / size:.2f}'


def _draws(rng, count: int):
    yield [0, count - 1]
    for _ in range(6):
        yield rng.integers(count, size=rng.integers(1, 5))
    yield range(int(rng.integers(count)), count, 3)


def check_sound(path: Path, expected: list, rng: np.random.Generator) -> str:
    """What is wrong with how a sound file is read; empty when nothing is."""
    try:
        source = VideoSource(path)
        if len(source) != len(expected):
            return f'{len(source)} frames instead of {len(expected)}'
        for indices in _draws(rng, len(expected)):
            frames = source.get_frames(indices)
            wrong = [i for i in frames if not np.array_equal(frames[i], expected[i])]
            if wrong:
                return f'other frames than {wrong} ({source.probe.way})'
        if not all(map(np.array_equal, source.iter_frames(), expected)):
            return 'other frames one after the other'
    except BadVideoError as error:
        return f'refused: {error.reason}'
    return ''


def _index(content: bytes) -> bytes:
    """What an MP4 says of its frames: without any checks, so that other frames can be named."""
    return content[content.rfind(b'moov') :] if b'moov' in content else b''


def check_damaged(
    path: Path, expected: list, was_cut: bool, unnoticed: bool, rng: np.random.Generator
) -> str:
    """What is wrong with how a damaged file is read; empty when nothing is.

    A frame may be hurt in a way that no decoder can notice, but it must not be another one.

    Args:
        path: The file.
        expected: Its frames before.
        was_cut: It was cut off, and nothing else: every frame that is given must be right.
        unnoticed: Nothing in the file can tell which frame is which.
        rng: For the draws.
    """
    for allow_truncated in (False, True):
        try:
            source = VideoSource(path, allow_truncated=allow_truncated)
            promises = not allow_truncated and path.suffix not in OPEN_ENDED
            if was_cut and promises and len(source) != len(expected):
                return f'{len(source)} of {len(expected)} frames without a word'
            for indices in _draws(rng, len(source)):
                for index, frame in source.get_frames(indices).items():
                    if index < len(expected) and np.array_equal(frame, expected[index]):
                        continue
                    others = [i for i, each in enumerate(expected) if np.array_equal(frame, each)]
                    if was_cut or (others and not unnoticed):
                        return f'frame {index} of {len(expected)} is another one: {others}'
        except BadVideoError as error:
            if '\n' in str(error):
                return f'more than one line: {error}'
    return ''


def run_case(seed: int, folder: Path) -> tuple[str, str, Path | None]:
    """Make and check one case: ``(description, what is wrong, file)``."""
    rng = np.random.default_rng(seed)
    try:
        path, what = make_sound(folder, rng)
        expected = plain_decode(path)
    except av.FFmpegError as error:  # such as MPEG-2 in a transport stream of one frame
        return f'FFmpeg cannot write it, or does not read what it wrote: {error}', '', None
    wrong = check_sound(path, expected, rng) if expected else ''
    if expected and not wrong and seed % 2:
        before, kind = path.read_bytes(), re.sub('_[a-z0-9]+', '', what.split()[0])
        done = damage(path, rng)
        what = f'{what}; {done}'
        unnoticed = any(each in kind for each in UNNOTICED) or _index(before) != _index(
            path.read_bytes()
        )
        wrong = check_damaged(path, expected, done.startswith('cut'), unnoticed, rng)
    return what, wrong, path


def main(argv: list[str]) -> int:
    """Run cases; returns how many failed."""
    av.logging.set_level(av.logging.PANIC)
    seeds = range(*map(int, argv)) if len(argv) > 1 else [int(argv[0])]
    failures = 0
    for seed in seeds:
        print(f'case {seed}', end=' ', flush=True)  # the last one printed is the one that crashed
        with tempfile.TemporaryDirectory() as folder:
            try:
                what, wrong, path = run_case(seed, Path(folder))
            except Exception as error:  # whatever comes up is a finding
                what, wrong, path = '', f'{type(error).__name__}: {error}', None
                if len(seeds) == 1:
                    raise
            if len(seeds) == 1 and path:
                shutil.move(path, f'case_{seed}{path.suffix}')
        print(f'FAILED ({what}): {wrong}' if wrong else f'held ({what})', flush=True)
        failures += bool(wrong)
    return failures


if __name__ == '__main__':
    sys.exit(min(main(sys.argv[1:]), 1))
