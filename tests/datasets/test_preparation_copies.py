"""Copies with a given short side: exact, whole, resumable, and never over a user's files."""

from __future__ import annotations

import os
import random
import runpy
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from helpers.tiny_run import REPO, environment, run
from helpers.videos import numbered_frames, read_number, write_video
from mmssl_video.datasets.decoding import VideoSource, probe_video
from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.preparation import prepare
from mmssl_video.datasets.preparation.reencoding import GOP, reencode, resized

QUIET = dict(show=False, workers=2)


def lines(path) -> list:
    return Path(path).read_text(encoding='utf-8').splitlines()


def folder(root, count=3, **video) -> Path:
    for name in ('run', 'sit'):
        for i in range(count):
            write_video(root / name / f'{i}.avi', numbered_frames(10, (48, 64)), 'mpeg4', **video)
    return root


def stamps(root) -> dict:
    return {path: path.stat().st_mtime_ns for path in root.rglob('*.mp4')}


@pytest.mark.parametrize(
    'height, width, expected',
    [
        (240, 320, (256, 342)),
        (1080, 1920, (256, 456)),
        (1920, 1080, (456, 256)),
        (256, 256, (256, 256)),
        (121, 161, (256, 340)),
        (300, 301, (256, 256)),
    ],
)
def test_sizes(height, width, expected):
    assert resized(height, width, 256) == expected


@pytest.mark.parametrize(
    'codec, suffix, options',
    [
        (
            'mpeg4',
            '.avi',
            dict(b_frames=2, gop=25),
        ),  # as UCF101 and HMDB51; other readers seek wrongly there
        ('libx264', '.mp4', dict(b_frames=2, gop=30)),
        ('mpeg2video', '.mpg', dict(b_frames=2)),
        ('libvpx-vp9', '.webm', dict(gop=40, options=dict(deadline='realtime', speed='8'))),
    ],
)
def test_every_reader_finds_every_frame_of_a_copy(tmp_path, codec, suffix, options):
    """Random access by number gives the frame that sequential decoding gives, and the right one."""
    source = write_video(tmp_path / f'a{suffix}', numbered_frames(70, (60, 80)), codec, **options)
    info = reencode(source, tmp_path / 'copy.mp4', 64)
    assert info == dict(frames=70, fps=25.0, height=64, width=86, drift=info['drift'])
    with av.open(str(tmp_path / 'copy.mp4')) as container:
        frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    assert [read_number(frame) for frame in frames] == list(range(70))
    reader = cv2.VideoCapture(str(tmp_path / 'copy.mp4'))  # seeks by counting packets
    for index in random.Random(0).sample(range(70), 30):
        reader.set(cv2.CAP_PROP_POS_FRAMES, index)
        assert read_number(reader.read()[1]) == index
    reader.release()
    got = VideoSource(tmp_path / 'copy.mp4').get_frames(range(70))
    assert all(np.array_equal(got[index], frame) for index, frame in enumerate(frames))
    assert probe_video(str(tmp_path / 'copy.mp4')).way == 'seek'


def test_stream_of_a_copy(tmp_path):
    source = write_video(
        tmp_path / 'a.mp4',
        numbered_frames(40, (60, 80)),
        gop=40,
        b_frames=3,
        fps=Fraction(30000, 1001),
    )
    reencode(source, tmp_path / 'copy.mp4', 64)
    with av.open(str(tmp_path / 'copy.mp4')) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == 'h264' and stream.codec_context.pix_fmt == 'yuv420p'
        assert stream.average_rate == Fraction(30000, 1001) and stream.frames == 40
        assert len(container.streams) == 1
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert all(packet.pts == packet.dts for packet in packets)  # no B-frames
    assert len({b.pts - a.pts for a, b in zip(packets, packets[1:])}) == 1  # constant rate
    keys = [i for i, packet in enumerate(packets) if packet.is_keyframe]
    assert keys == list(range(0, 40, GOP))
    head = (tmp_path / 'copy.mp4').read_bytes()
    assert head.index(b'moov') < head.index(b'mdat')  # a file cut short is known as such


@pytest.mark.parametrize(
    'marks',
    [
        {},
        dict(pix_fmt='yuvj420p'),
        dict(pix_fmt='yuv444p'),
        dict(options=dict(colorspace='bt709')),
        dict(codec='mpeg4'),
    ],
)
def test_colours_are_kept(tmp_path, marks):
    patches = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    image = np.ascontiguousarray(patches.repeat(32, 0).repeat(32, 1))
    source = write_video(tmp_path / 'a.mp4', [image] * 5, **marks)
    reencode(source, tmp_path / 'copy.mp4', 64)
    before = VideoSource(source).get_frames([2])[2]
    after = VideoSource(tmp_path / 'copy.mp4').get_frames([2])[2]
    assert after.shape == (64, 86, 3)
    middles = after[10::21, 10::22][:3, :4].astype(int)
    assert np.abs(middles - before[16::32, 16::32]).max() < 8


def test_rotation_is_applied(shared_data, tmp_path):
    source = shared_data / 'videos' / 'odd' / 'h264_rotate90_meta.mp4'
    if not source.exists():
        pytest.skip('the optional test data hold no rotated video')
    info = reencode(source, tmp_path / 'copy.mp4', 64)
    assert info['height'] > info['width'] == 64
    before = VideoSource(source).get_frames([30])[30]
    after = VideoSource(tmp_path / 'copy.mp4').get_frames([30])[30]
    expected = cv2.resize(before, after.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(expected.astype(int) - after).mean() < 6


def test_a_damaged_source_gives_no_copy(tmp_path):
    source = write_video(tmp_path / 'a.avi', numbered_frames(40, (60, 80)), 'mpeg4')
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(BadVideoError):
        reencode(source, tmp_path / 'out' / 'copy.mp4', 64)
    assert list((tmp_path / 'out').glob('*')) == []


def test_copies_lists_and_a_second_run(tmp_path):
    src, out = folder(tmp_path / 'src'), tmp_path / 'out'
    shutil.copy(src / 'run' / '0.avi', src / 'run' / '0.mkv')  # both would become 0.mp4
    before = {path: path.read_bytes() for path in src.rglob('*.*')}
    report = prepare('folder', src, out, resize=32, **QUIET)
    assert report['videos']['checked'] == 7 and report['videos']['known_before'] == 0
    assert lines(out / 'all.txt')[:3] == ['run/0.mp4 0', 'run/0.mp4.mp4 0', 'run/1.mp4 0']
    for line in lines(out / 'all.txt'):
        video = VideoSource(out / 'videos' / line.rsplit(' ', 1)[0])
        frames = video.get_frames(range(10))
        assert [read_number(frames[i]) for i in range(10)] == list(range(10))
        assert frames[0].shape == (32, 42, 3)
    assert {path: path.read_bytes() for path in src.rglob('*.*')} == before
    made = stamps(out / 'videos')
    assert len(made) == 7
    # nothing to do
    report = prepare('folder', src, out, resize=32, **QUIET)
    assert report['videos']['known_before'] == 7 and stamps(out / 'videos') == made
    # one copy lost, one cut short, one source changed, one left by a run that was killed
    (out / 'videos/run/1.mp4').unlink()
    (out / 'videos/run/2.mp4').write_bytes(b'cut')
    write_video(src / 'sit' / '0.avi', numbered_frames(10, (48, 64), first=100), 'mpeg4')
    partial = out / 'videos' / 'sit' / '.2.mp4.0123abcd.partial'
    partial.write_bytes(b'half')
    report = prepare('folder', src, out, resize=32, **QUIET)
    assert report['videos']['known_before'] == 4 and not partial.exists()
    again = stamps(out / 'videos')
    assert sorted(str(p.relative_to(out)) for p in made if made[p] != again[p]) == [
        'videos/run/1.mp4',
        'videos/run/2.mp4',
        'videos/sit/0.mp4',
    ]
    first = VideoSource(out / 'videos/sit/0.mp4').get_frames([0])[0]
    assert read_number(first) == 100


def test_nothing_of_the_users_is_overwritten(tmp_path):
    src, out = folder(tmp_path / 'src', 1), tmp_path / 'out'
    (out / 'videos').mkdir(parents=True)
    for options in (dict(resize=32), {}):
        with pytest.raises(FileExistsError, match='there already'):
            prepare('folder', src, out, **options, **QUIET)
    (out / 'videos').rmdir()
    (out / 'train.txt').write_text('mine\n')
    with pytest.raises(FileExistsError, match='train.txt was not written by mmssl prepare'):
        prepare('folder', src, out, **QUIET)
    assert (out / 'train.txt').read_text() == 'mine\n'
    (out / 'train.txt').unlink()
    (out / 'videos').symlink_to(tmp_path / 'elsewhere')
    with pytest.raises(FileExistsError, match='is a link to .*elsewhere'):
        prepare('folder', src, out, **QUIET)
    (out / 'videos').unlink()
    prepare('folder', src, out, resize=32, **QUIET)
    for options, was in ((dict(resize=64), 'short side 32'), ({}, 'short side 32')):
        with pytest.raises(FileExistsError, match=f'was prepared as folder with copies of {was}'):
            prepare('folder', src, out, **options, **QUIET)
    with pytest.raises(ValueError, match='lies in the folder of videos'):
        prepare('folder', src, src / 'out', **QUIET)
    with pytest.raises(ValueError, match='must be even'):
        prepare('folder', src, tmp_path / 'odd', resize=33, **QUIET)


def commands():
    """Command lines of all processes."""
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            yield path.read_bytes().decode(errors='replace')
        except OSError:
            continue  # it has ended meanwhile


def test_a_killed_run_goes_on(tmp_path):
    src, out = folder(tmp_path / 'src', 20), tmp_path / 'out'
    tool = [
        sys.executable,
        str(REPO / 'tools' / 'data' / 'prepare.py'),
        'folder',
        str(src),
        str(out),
        '--resize',
        '256',
        '--workers',
        '1',
    ]
    running = subprocess.Popen(
        tool, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while len(list((out / 'videos').rglob('[!.]*.mp4'))) < 5:
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    done = len(stamps(out / 'videos'))
    assert 5 <= done < 40
    time.sleep(0.5)  # the orphan of the killed run may finish its video
    report = prepare('folder', src, out, resize=256, **QUIET)
    assert 3 <= report['videos']['known_before'] <= done
    assert len(stamps(out / 'videos')) == 40
    assert not list((out / 'videos').rglob('.*'))
    # the last process of the killed run ends by itself
    deadline = time.monotonic() + 30
    while any(str(out) in command for command in commands()):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def tool(name, *arguments):
    path = REPO / 'tools' / 'data' / name
    return run('python', path, *arguments, cwd=REPO, stderr=subprocess.PIPE)


def test_command_lines(tmp_path, monkeypatch, capsys):
    src, out = folder(tmp_path / 'src', 2), tmp_path / 'out'
    (src / 'sit' / '1.avi').write_bytes(b'no video')
    done = tool('prepare.py', 'folder', src, out, '--workers', '2', '--seed', '0')
    assert done.returncode == 1 and '1 bad' in done.stdout
    assert done.stderr.splitlines()[-1].startswith('error: 1 of 4 videos are bad and still in')
    assert 'Traceback' not in done.stderr
    done = tool('prepare.py', 'folder', src, out, '--drop-bad', '--workers', '2')
    assert done.returncode == 0 and '3 of them known from an earlier run' in done.stdout
    assert 'all.txt: 3 lines' in done.stdout
    # in this process: cheaper
    for arguments, message in (
        (['ucf101', src, out, '--seed', '0'], '--seed is for folder'),
        (['folder', src, out, '--annotations', src], '--annotations is for'),
        (['folder', src / 'none', out], 'is not there'),
    ):
        monkeypatch.setattr(sys, 'argv', ['prepare.py', *map(str, arguments)])
        with pytest.raises(SystemExit) as leave:
            runpy.run_path(str(REPO / 'tools' / 'data' / 'prepare.py'), run_name='__main__')
        assert leave.value.code == 1 and message in capsys.readouterr().err
    monkeypatch.setattr(sys, 'argv', ['make_subsets.py', str(out / 'all.txt'), '--percent', '50'])
    runpy.run_path(str(REPO / 'tools' / 'data' / 'make_subsets.py'), run_name='__main__')
    assert (
        'all_50percent_seed0.txt: 2 videos of 2 classes, 1 to 1 per class'
        in capsys.readouterr().out
    )
