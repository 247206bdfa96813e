"""Random access gives exactly the frames that reading a file from its start gives."""

import json
import os
import pickle
import subprocess
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import av
import cv2
import numpy as np
import pytest
from mmaction.registry import TRANSFORMS

from helpers.odd_videos import (
    joined,
    plain_decode,
    remux,
    rotated,
    with_edit_list,
    with_empty_chunks,
    with_variable_rate,
)
from helpers.tiny_run import REPO, run
from helpers.videos import (
    numbered_frames,
    read_number,
    stream_copy_cut,
    write_video,
)
from mmssl_video.datasets.decoding import VideoSource
from mmssl_video.datasets.errors import BadVideoError

pytestmark = pytest.mark.compat

NUM_FRAMES = 90
# file name -> (writer arguments, the way of reading that the probe must choose)
FORMATS = {
    'plain.mp4': (dict(gop=12), 'seek'),
    'long_gop_b.mp4': (dict(gop=80, b_frames=3, options={'sc_threshold': '0'}), 'seek'),
    'b.mkv': (dict(gop=30, b_frames=2), 'seek'),
    'b.mov': (dict(gop=30, b_frames=2), 'seek'),
    'vp8.webm': (dict(codec='libvpx', options={'deadline': 'realtime', 'cpu-used': '8'}), 'seek'),
    'mpeg4.mp4': (dict(codec='mpeg4'), 'seek'),
    'open_gop.mp4': (
        dict(gop=20, b_frames=3, options={'x264-params': 'open-gop=1:b-adapt=0:scenecut=0'}),
        'seek',
    ),
    'mpeg4_b.mp4': (dict(codec='mpeg4', b_frames=2), 'seek'),
    'width72.mp4': (dict(gop=30), 'seek'),
    'h264.avi': (dict(gop=30), 'count'),
    'h264_b.avi': (dict(gop=30, b_frames=2), 'count'),
    'mpeg4.avi': (dict(codec='mpeg4'), 'count'),
    'mpeg4_b.avi': (dict(codec='mpeg4', b_frames=2), 'count'),
    'mpeg2.mpg': (dict(codec='mpeg2video', b_frames=2), 'count'),
    'b.ts': (dict(gop=30, b_frames=2), 'count'),
    'wmv2.wmv': (dict(codec='wmv2'), 'count'),
}


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('formats')
    for name, (arguments, _) in FORMATS.items():
        size = (64, 72 if name.startswith('width72') else 96)
        write_video(folder / name, numbered_frames(NUM_FRAMES, size), **arguments)
    for start in (0.5, 1.3):
        stream_copy_cut(folder / 'b.mov', folder / f'cut_{start}.mp4', start)
    return folder


def numbers_by_pyav(path):
    with av.open(str(path)) as container:
        return [
            read_number(frame.to_ndarray(format='rgb24')) for frame in container.decode(video=0)
        ]


def numbers_by_opencv(path):
    capture = cv2.VideoCapture(str(path))
    numbers = []
    while True:
        good, frame = capture.read()
        if not good:
            capture.release()
            return numbers
        numbers.append(read_number(frame))


def check_random_access(source, expected, rounds=12):
    rng = np.random.default_rng(0)
    assert len(source) == len(expected)
    wanted = [[0], [len(expected) - 1], list(range(len(expected)))]
    wanted += [rng.integers(len(expected), size=rng.integers(1, 6)) for _ in range(rounds)]
    wanted += [range(start, len(expected), 3) for start in rng.integers(len(expected), size=3)]
    for indices in wanted:
        frames = source.get_frames(indices)
        assert {i: read_number(frames[i]) for i in frames} == {int(i): expected[i] for i in indices}


@pytest.mark.parametrize('name', FORMATS)
def test_every_container_is_exact(videos, name):
    source = VideoSource(videos / name)
    assert source.probe.way == FORMATS[name][1]
    assert numbers_by_opencv(videos / name) == list(range(NUM_FRAMES))
    check_random_access(source, list(range(NUM_FRAMES)))


@pytest.mark.parametrize('start', [0.5, 1.3])
def test_stream_copied_cut_is_exact(videos, start):
    path = videos / f'cut_{start}.mp4'
    expected = numbers_by_pyav(path)
    # the cut begins at the key frame before, but what a player shows begins at the cut
    assert expected == list(range(NUM_FRAMES - len(expected), NUM_FRAMES))
    source = VideoSource(path)
    assert source.probe.way == 'seek'
    with av.open(str(path)) as container:
        assert any([packet.is_discard for packet in container.demux(video=0)])  # noqa: C419 (all, to the end)
    check_random_access(source, expected)


def same_time_twice(source, target, keys):
    """Copy a file and give some frames (or some key frames) the time of the frame before."""
    with av.open(str(source)) as reader, av.open(str(target), 'w') as writer:
        stream = reader.streams.video[0]
        copy = writer.add_stream_from_template(stream)
        packets = [packet for packet in reader.demux(stream) if packet.size]
        times = sorted(packet.pts for packet in packets)
        key_times = [packet.pts for packet in packets if packet.is_keyframe]
        changed = 0
        for packet in packets:
            before = times[max(times.index(packet.pts) - 1, 0)]
            if (
                packet.is_keyframe == keys
                and packet.dts <= before < packet.pts
                and (keys or before not in key_times)
                and changed < 12
            ):
                packet.pts = before
                changed += 1
        for packet in packets:
            packet.stream = copy
            writer.mux(packet)
    assert changed > 1


@pytest.mark.parametrize('keys, way', [(False, 'seek'), (True, 'count')])
def test_frames_with_the_same_time_are_told_apart(videos, tmp_path, keys, way):
    same_time_twice(videos / 'b.mov', tmp_path / 'twice.mp4', keys)
    source = VideoSource(tmp_path / 'twice.mp4')
    assert source.probe.way == way
    check_random_access(source, numbers_by_pyav(tmp_path / 'twice.mp4'))


# ------------------------------------------------------------------------------ key frames

_X264 = 'scenecut=0:b-adapt=0:'
# name -> (writer arguments, at how many frames decoding can begin)
STARTS = {
    'refresh.mp4': (dict(gop=24, options={'x264-params': _X264 + 'intra-refresh=1'}), 1),
    'refresh.mkv': (dict(gop=24, options={'x264-params': _X264 + 'intra-refresh=1'}), 1),
    'refresh_b.mp4': (
        dict(gop=24, b_frames=2, options={'x264-params': _X264 + 'intra-refresh=1:ref=3'}),
        1,
    ),
    'open.mkv': (
        dict(gop=15, b_frames=3, options={'x264-params': _X264 + 'open-gop=1:b-pyramid=2:ref=4'}),
        6,
    ),
    'open_slices.mov': (
        dict(gop=15, b_frames=3, options={'x264-params': _X264 + 'open-gop=1:slices=4'}),
        6,
    ),
    'h265_open.mp4': (
        dict(
            codec='libx265',
            gop=15,
            b_frames=3,
            options={'x265-params': 'log-level=none:scenecut=0:min-keyint=15'},
        ),
        6,
    ),
    'vp8_hidden.webm': (
        dict(
            codec='libvpx',
            gop=30,
            options={'auto-alt-ref': '1', 'lag-in-frames': '16', 'cpu-used': '8', 'b': '200k'},
        ),
        None,
    ),
    'vp9_hidden.mkv': (
        dict(
            codec='libvpx-vp9',
            gop=30,
            options={'auto-alt-ref': '1', 'lag-in-frames': '16', 'cpu-used': '8', 'b': '200k'},
        ),
        None,
    ),
    'av1.mp4': (dict(codec='libsvtav1', gop=30, options={'preset': '12'}), 3),
    'mpeg2.mkv': (dict(codec='mpeg2video', gop=15, b_frames=2), None),
    'mjpeg.mov': (dict(codec='mjpeg', pix_fmt='yuvj420p'), NUM_FRAMES),
}


@pytest.mark.parametrize('name', STARTS)
def test_decoding_begins_only_where_it_can(tmp_path, name):
    arguments, starts = STARTS[name]
    path = write_video(tmp_path / name, numbered_frames(NUM_FRAMES, (64, 192)), **arguments)
    source = VideoSource(path)
    assert source.probe.way == 'seek'
    if starts is not None:
        assert len(source.probe.keys) == starts
    check_random_access(source, list(range(NUM_FRAMES)), rounds=30)
    expected = plain_decode(path)
    frames = source.get_frames([63, 66, 69])
    assert all(np.array_equal(frames[index], expected[index]) for index in frames)


def test_marks_of_the_container_are_not_believed(tmp_path):
    """A file that marks each of its frames as a key frame is read from those that really are."""
    write_video(tmp_path / 'a.mp4', numbered_frames(NUM_FRAMES), 'mpeg4', gop=30)

    def mark(number, packet):
        packet.is_keyframe = True

    path = remux(tmp_path / 'a.mp4', tmp_path / 'marked.mp4', mark)
    with av.open(str(path)) as container:
        assert sum(packet.is_keyframe for packet in container.demux(video=0)) == NUM_FRAMES
    source = VideoSource(path)
    assert len(source.probe.keys) < NUM_FRAMES / 2
    check_random_access(source, list(range(NUM_FRAMES)))


@pytest.mark.parametrize('suffix', ['mp4', 'mkv'])
@pytest.mark.parametrize('gop_kind', ['open-gop=1', 'intra-refresh=1'])
def test_cut_in_the_middle_of_what_refers_back(tmp_path, suffix, gop_kind):
    options = {'x264-params': f'{_X264}{gop_kind}'}
    frames = numbered_frames(NUM_FRAMES, (64, 192))
    write_video(tmp_path / 'a.mov', frames, gop=15, b_frames=2, options=options)
    path = stream_copy_cut(tmp_path / 'a.mov', tmp_path / f'cut.{suffix}', 1.9)
    source, expected = VideoSource(path), plain_decode(path)
    assert len(source) == len(expected)
    frames = source.get_frames(range(len(source)))
    assert all(np.array_equal(frames[index], each) for index, each in enumerate(expected))


# ------------------------------------------------------------------------------ unusual, but whole


def whole(path):
    """Number of frames, after comparing all with a plain decode."""
    source, expected = VideoSource(path), plain_decode(path)
    assert len(source) == len(expected)
    for indices in (range(len(expected)), range(1, len(expected), 7), [len(expected) - 1]):
        frames = source.get_frames(indices)
        assert all(np.array_equal(frames[index], expected[index]) for index in frames)
    return len(source)


@pytest.mark.parametrize('codec', ['mpeg4', 'libx264', 'mjpeg', 'ffv1'])
@pytest.mark.parametrize('every, gap', [(7, 2), (1, 3), (89, 40)])
def test_avi_with_empty_chunks_is_whole(tmp_path, codec, every, gap):
    pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
    write_video(tmp_path / 'a.avi', numbered_frames(NUM_FRAMES), codec, pix_fmt=pix_fmt)
    path = with_empty_chunks(tmp_path / 'a.avi', tmp_path / 'b.avi', every, gap)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames > 1.02 * NUM_FRAMES + 2  # what the header says
    assert whole(path) == NUM_FRAMES
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b'idx1') * 3 // 4])
    with pytest.raises(BadVideoError, match=r'truncated: .*\(allow_truncated=True\)'):
        VideoSource(path)
    rest = VideoSource(path, allow_truncated=True)
    assert NUM_FRAMES / 3 < len(rest) < NUM_FRAMES
    check_random_access(rest, list(range(len(rest))), rounds=3)


def test_avi_with_a_lost_chunk_is_not_whole(tmp_path):
    path = write_video(tmp_path / 'a.avi', numbered_frames(NUM_FRAMES), 'mpeg4')
    content = path.read_bytes()
    where = content.index(b'movi')
    for _ in range(40):
        where = content.index(b'00dc', where + 4)
    path.write_bytes(content[:where] + b'\0\0\0\0' + content[where + 4 :])
    with pytest.raises(BadVideoError, match='damaged: its container is broken after 39 of the 90'):
        VideoSource(path)
    rest = VideoSource(path, allow_truncated=True)
    assert len(rest) == 38  # the frame before the break may be hurt
    check_random_access(rest, list(range(38)), rounds=3)


@pytest.mark.parametrize(
    'edit, least, most',
    [
        (dict(length=1500), 37, 45),
        (dict(start=10000), 70, 73),
        (dict(start=9000, length=900), 22, 27),
    ],
)
def test_edit_list_is_followed(tmp_path, edit, least, most):
    write_video(tmp_path / 'a.mov', numbered_frames(NUM_FRAMES), gop=12, b_frames=2)
    assert least <= whole(with_edit_list(tmp_path / 'a.mov', tmp_path / 'b.mov', **edit)) <= most


@pytest.mark.parametrize('suffix', ['mp4', 'mov', 'mkv'])
@pytest.mark.parametrize('start', [3.6, 3.5, 3.0, 1.7])
def test_joined_files_whose_times_overlap(tmp_path, suffix, start):
    frames = numbered_frames(NUM_FRAMES)
    write_video(tmp_path / 'a.mov', frames, gop=12, b_frames=2)
    parts = [tmp_path / 'a.mov'] * 2
    assert whole(joined(parts, tmp_path / f'b.{suffix}', [0, start])) == 2 * NUM_FRAMES


@pytest.mark.parametrize('name', ['b.ts', 'mpeg2.mpg', 'b.mkv'])
def test_files_appended_to_one_another(videos, tmp_path, name):
    content = (videos / name).read_bytes()
    (tmp_path / name).write_bytes(content * 2)
    assert whole(tmp_path / name) == 2 * NUM_FRAMES


def test_variable_rate_rotation_and_fragments(videos, tmp_path):
    rng = np.random.default_rng(0)
    assert whole(with_variable_rate(videos / 'plain.mp4', tmp_path / 'a.mp4', rng)) == NUM_FRAMES
    assert whole(with_variable_rate(videos / 'plain.mp4', tmp_path / 'a.mkv', rng)) == NUM_FRAMES
    assert whole(rotated(videos / 'b.mov', tmp_path / 'b.mov')) == NUM_FRAMES
    assert VideoSource(tmp_path / 'b.mov').get_frames([0])[0].shape == (96, 64, 3)
    flags = {'movflags': 'frag_keyframe+empty_moov'}
    path = remux(videos / 'b.mov', tmp_path / 'c.mp4', options=flags)
    assert whole(path) == NUM_FRAMES
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadVideoError, match='truncated'):
        VideoSource(path)


@pytest.mark.parametrize('suffix', ['avi', 'mp4', 'mkv'])
@pytest.mark.parametrize('name', ['native_xvid_packed_bframes', 'native_mmaction_test'])
def test_packed_xvid_is_whole_in_every_container(odd, tmp_path, name, suffix):
    path = remux(odd / f'{name}.avi', tmp_path / f'a.{suffix}')
    assert whole(path) == {'native_mmaction_test': 164}.get(name, 108)


def test_a_cut_that_loses_no_frame_is_no_cut(videos, tmp_path):
    """Behind the last frame only an index is missing."""
    for name, mark in (('mpeg4.avi', b'idx1'), ('b.mkv', b'\x1c\x53\xbb\x6b')):
        content = (videos / name).read_bytes()
        for end in (0, 4, 20):
            (tmp_path / name).write_bytes(content[: content.rindex(mark) + end])
            if name == 'b.mkv' and end == 0:
                continue  # nothing says that no frames followed
            assert whole(tmp_path / name) == NUM_FRAMES


@pytest.mark.parametrize('name', ['wmv2.wmv', 'b.ts', 'mpeg2.mpg', 'plain.mp4', 'b.mkv'])
def test_every_cut_is_named(videos, tmp_path, name):
    content = (videos / name).read_bytes()
    for share in (0.3, 0.61, 0.9):
        (tmp_path / name).write_bytes(content[: int(share * len(content)) | 1])
        with pytest.raises(BadVideoError, match='truncated: it ends'):
            VideoSource(tmp_path / name)


def test_damage_in_the_middle_is_named_and_never_other_frames(videos, tmp_path):
    """A frame that the decoder had to patch up is not given."""
    content = bytearray((videos / 'long_gop_b.mp4').read_bytes())
    middle = content.index(b'mdat') + (len(content) - content.index(b'mdat')) // 2
    content[middle : middle + 60] = bytes(60)
    (tmp_path / 'a.mp4').write_bytes(content)
    source = VideoSource(tmp_path / 'a.mp4')
    assert read_number(source.get_frames([3])[3]) == 3
    with pytest.raises(BadVideoError, match='cannot be decoded|damaged'):
        source.get_frames([78])


# ------------------------------------------------------------------------------ names

NAMES = [
    b'caf\xe9.mp4',
    b'a\nb.mp4',
    b'a:b.mp4',
    b'file:c.mp4',
    b'concat:d|e.mp4',
    b'%03d.mp4',
    b'-.mp4',
]


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('relative', [False, True])
def test_any_file_name_can_be_read(videos, tmp_path, monkeypatch, name, relative):
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, 'wb') as file:
        file.write((videos / 'plain.mp4').read_bytes())
    monkeypatch.chdir(tmp_path)
    source = VideoSource(os.fsdecode(name if relative else path))
    assert read_number(source.get_frames([50])[50]) == 50
    with open(path, 'wb') as file:
        file.write(b'no video')
    with pytest.raises(BadVideoError, match='cannot be opened as a video') as error:
        VideoSource(os.fsdecode(path))
    assert '\n' not in str(error.value)
    str(error.value).encode('utf-8')  # can be printed
    assert os.fsencode(error.value.path) == path


def test_pixels_are_those_of_a_plain_decode(videos):
    for name in ('plain.mp4', 'vp8.webm', 'h264_b.avi'):
        with av.open(str(videos / name)) as container:
            expected = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
        got = VideoSource(videos / name).get_frames([7, 40])
        for index in (7, 40):
            np.testing.assert_array_equal(got[index], expected[index])
    with pytest.raises(IndexError, match='90 frames'):
        VideoSource(videos / 'plain.mp4').get_frames([NUM_FRAMES])


def test_ten_bit_colours_are_right(tmp_path):
    frame = np.zeros((64, 96, 3), np.uint8)
    frame[:, :48], frame[:, 48:] = (200, 60, 40), (30, 90, 180)
    path = write_video(
        tmp_path / 'a.mp4',
        [frame] * 5,
        codec='libx265',
        pix_fmt='yuv420p10le',
        options={'x265-params': 'log-level=none', 'crf': '5'},
    )
    source = VideoSource(path)
    assert source.probe.way == 'seek'
    got = source.get_frames([3])[3].astype(int)
    assert np.abs(got[:, 8:40] - frame[:, 8:40]).max() <= 6
    assert np.abs(got[:, 56:88] - frame[:, 56:88]).max() <= 6


@pytest.mark.parametrize('name', ['b.mkv', 'mpeg4.avi', 'vp8.webm'])
def test_truncated_file(videos, tmp_path, name):
    content = (videos / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(
        BadVideoError, match=r'truncated: it ends in the middle.*allow_truncated=True\)'
    ) as error:
        VideoSource(path)
    assert error.value.path == str(path)
    rest = VideoSource(path, allow_truncated=True)
    assert 10 < len(rest) < NUM_FRAMES - 10
    check_random_access(rest, list(range(len(rest))), rounds=3)


def test_whole_files_are_not_called_truncated_when_sound_is_longer(tmp_path):
    path = tmp_path / 'sound.mkv'
    with av.open(str(path), 'w') as container:
        video = container.add_stream('libx264', rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, 'yuv420p'
        audio = container.add_stream('aac', rate=16000)
        for image in numbered_frames(25):
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(video.encode())
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 64000), np.float32), 'fltp', 'mono')
        silence.rate = 16000
        container.mux(audio.encode(silence))
        container.mux(audio.encode())
    assert len(VideoSource(path)) == 25


# ------------------------------------------------------------------------------ odd files

ODD_GOOD = {  # file -> (number of frames, (height, width))
    'h264_1frame.mp4': (1, (108, 160)),
    'h264_5frames.mp4': (5, (108, 160)),
    'h264_gray.mp4': (60, (108, 160)),
    'h264_odd_161x121_yuv444.mp4': (60, (121, 161)),
    'h264_rotate90_meta.mp4': (63, (160, 120)),
    'h264_vfr.mp4': (32, (120, 160)),
    'name with spaces é.mp4': (63, (120, 160)),
    'native_mmaction_test.avi': (164, (240, 320)),
    'native_xvid_packed_bframes.avi': (108, (296, 400)),
    'vp9.webm': (118, (136, 200)),
}
ODD_BAD = {
    'audio_only.mp4': 'holds no video stream',
    'text_file.mp4': 'cannot be opened as a video',
    'truncated_faststart_half.mp4': 'truncated: it ends in the middle, after 14 of the 63 frames',
    'truncated_moov_missing.mp4': 'video .truncated: it ends before its index of frames',
    'zero_bytes.mp4': 'empty',
}


@pytest.fixture(scope='module')
def odd(shared_data):
    folder = shared_data / 'videos' / 'odd'
    if not folder.is_dir():
        pytest.skip('the folder videos/odd of the optional test data is not there')
    return folder


def test_all_odd_files_are_known(odd):
    assert {path.name for path in odd.iterdir()} == set(ODD_GOOD) | set(ODD_BAD)


@pytest.mark.parametrize('name', ODD_GOOD)
def test_odd_but_sound_files(odd, name):
    count, shape = ODD_GOOD[name]
    source = VideoSource(odd / name)
    assert len(source) == count
    with av.open(str(odd / name)) as container:
        reference = list(container.decode(video=0))
        for index in sorted({0, count // 3, count - 1}):
            image = reference[index].to_ndarray(format='rgb24')
            if name.startswith('h264_rotate90'):
                image = np.rot90(image)  # counter-clockwise, as the display matrix says
            got = source.get_frames([index])[index]
            assert got.shape == (*shape, 3) and got.dtype == np.uint8
            np.testing.assert_array_equal(got, image)


def test_rotation_agrees_with_opencv(odd):
    path = odd / 'h264_rotate90_meta.mp4'
    capture = cv2.VideoCapture(str(path))
    reference = capture.read()[1][..., ::-1].astype(int)
    capture.release()
    got = VideoSource(path).get_frames([0])[0]
    assert np.abs(got - reference).mean() < 3


@pytest.mark.parametrize('name', ODD_BAD)
def test_bad_files_say_why(odd, name):
    with pytest.raises(BadVideoError, match=ODD_BAD[name]) as error:
        VideoSource(odd / name)
    assert str(error.value).startswith(str(odd / name)) and '\n' not in str(error.value)


def test_what_is_no_file(tmp_path):
    with pytest.raises(BadVideoError, match='no such file'):
        VideoSource(tmp_path / 'missing.mp4')
    with pytest.raises(BadVideoError, match='is a folder'):
        VideoSource(tmp_path)


_TRY_ALL = """
import json, sys
import mmssl_video
from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.decoding import VideoSource
out = {}
for path in sys.argv[1:]:
    for truncated in (False, True):
        try:
            source = VideoSource(path, allow_truncated=truncated)
            out[path] = len(source.get_frames(range(0, len(source), 5)))
        except BadVideoError as error:
            out[path] = str(error)
print(json.dumps(out))
"""


def check_survival(paths):
    done = run('python', '-c', _TRY_ALL, *paths, cwd=REPO, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads(done.stdout.strip().splitlines()[-1])
    assert set(results) == set(paths)
    return results


def test_a_process_survives_odd_files(odd):
    results = check_survival([str(path) for path in odd.iterdir()])
    assert {
        os.path.basename(path) for path, count in results.items() if isinstance(count, str)
    } == set(ODD_BAD) - {'truncated_faststart_half.mp4'}  # usable with allow_truncated


def test_a_process_survives_cuts_and_random_damage(videos, tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for name in ('plain.mp4', 'long_gop_b.mp4', 'mpeg4_b.avi', 'vp8.webm', 'mpeg2.mpg'):
        content = np.frombuffer((videos / name).read_bytes(), np.uint8)
        for share in (0.02, 0.3, 0.97):
            path = tmp_path / f'cut_{share}_{name}'
            path.write_bytes(content[: int(share * len(content))].tobytes())
            paths.append(str(path))
        for trial in range(4):
            damaged = content.copy()
            where = rng.integers(len(content), size=30)
            damaged[where] = rng.integers(256, size=30)
            path = tmp_path / f'damaged_{trial}_{name}'
            path.write_bytes(damaged.tobytes())
            paths.append(str(path))
    check_survival(paths)


def _numbers(path):
    return [read_number(frame) for frame in VideoSource(path).get_frames([3, 50]).values()]


@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_works_in_worker_processes(videos, method):
    assert _numbers(videos / 'plain.mp4') == [3, 50]  # read before the fork
    paths = [videos / 'plain.mp4', videos / 'h264.avi', videos / 'open_gop.mp4']
    with ProcessPoolExecutor(1, mp_context=get_context(method)) as pool:
        assert list(pool.map(_numbers, paths, timeout=100)) == [[3, 50]] * 3


def test_no_open_files_are_left(videos):
    def open_files():
        return len(os.listdir('/proc/self/fd'))

    if not os.path.isdir('/proc/self/fd'):
        pytest.skip('needs /proc')
    names = ['plain.mp4', 'open_gop.mp4', 'mpeg4_b.avi']
    for name in names:
        VideoSource(videos / name).get_frames([5])
    before = open_files()
    sources = [VideoSource(videos / name) for name in names * 5]
    for source in sources:
        source.get_frames([5, 60])
    assert open_files() <= before


def test_transforms(videos):
    init = TRANSFORMS.build(dict(type='VideoInit', num_threads=1))
    decode = TRANSFORMS.build(dict(type='DecodeFrames'))
    results = init(dict(filename=str(videos / 'h264_b.avi')))
    assert results['total_frames'] == NUM_FRAMES and results['avg_fps'] == 25
    pickle.dumps(results['video_reader'])
    results['frame_inds'] = np.array([80, 4, 4, 11])
    results = decode(results)
    assert [read_number(img) for img in results['imgs']] == [80, 4, 4, 11]
    assert results['original_shape'] == results['img_shape'] == (64, 96)
    assert 'video_reader' not in results
    results['imgs'][1][:] = 0  # a repeated frame is a copy
    assert read_number(results['imgs'][2]) == 4
    assert all(img.flags.writeable for img in results['imgs'])


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(num_threads=0), 'num_threads must be at least 1'),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TRANSFORMS.build(dict(type='VideoInit', **arguments))
