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

from helpers.tiny_run import REPO, run
from helpers.videos import (
    numbered_frames,
    read_number,
    stream_copy_cut,
    write_video,
)
from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.transforms.video_io import VideoSource

NUM_FRAMES = 90
# file name -> (writer arguments, the way of reading that the probe must choose)
FORMATS = {
    'plain.mp4': (dict(gop=12), 'decord'),
    'long_gop_b.mp4': (dict(gop=80, b_frames=3, options={'sc_threshold': '0'}), 'decord'),
    'b.mkv': (dict(gop=30, b_frames=2), 'decord'),
    'b.mov': (dict(gop=30, b_frames=2), 'decord'),
    'vp8.webm': (dict(codec='libvpx', options={'deadline': 'realtime', 'cpu-used': '8'}), 'decord'),
    'mpeg4.mp4': (dict(codec='mpeg4'), 'decord'),
    'open_gop.mp4': (
        dict(gop=20, b_frames=3, options={'x264-params': 'open-gop=1:b-adapt=0:scenecut=0'}),
        'timestamps',
    ),
    'mpeg4_b.mp4': (dict(codec='mpeg4', b_frames=2), 'timestamps'),
    'width72.mp4': (dict(gop=30), 'decord'),
    'h264.avi': (dict(gop=30), 'sequential'),
    'h264_b.avi': (dict(gop=30, b_frames=2), 'sequential'),
    'mpeg4.avi': (dict(codec='mpeg4'), 'sequential'),
    'mpeg4_b.avi': (dict(codec='mpeg4', b_frames=2), 'sequential'),
    'mpeg2.mpg': (dict(codec='mpeg2video', b_frames=2), 'sequential'),
    'b.ts': (dict(gop=30, b_frames=2), 'sequential'),
    'wmv2.wmv': (dict(codec='wmv2'), 'sequential'),
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


@pytest.mark.parametrize('decoder', ['auto', 'pyav'])
@pytest.mark.parametrize('name', FORMATS)
def test_every_container_is_exact(videos, name, decoder):
    source = VideoSource(videos / name, decoder=decoder)
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
    assert source.probe.way == 'timestamps'
    with av.open(str(path)) as container:
        assert any([packet.is_discard for packet in container.demux(video=0)])
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


@pytest.mark.parametrize('keys, way', [(False, 'timestamps'), (True, 'sequential')])
def test_frames_with_the_same_time_are_told_apart(videos, tmp_path, keys, way):
    same_time_twice(videos / 'b.mov', tmp_path / 'twice.mp4', keys)
    source = VideoSource(tmp_path / 'twice.mp4')
    assert source.probe.way == way
    check_random_access(source, numbers_by_pyav(tmp_path / 'twice.mp4'))


def test_decoders_give_the_same_pixels(videos):
    for name in ('plain.mp4', 'vp8.webm'):
        by_decord = VideoSource(videos / name, decoder='decord').get_frames([7, 40])
        by_pyav = VideoSource(videos / name, decoder='pyav').get_frames([7, 40])
        for index in (7, 40):
            np.testing.assert_array_equal(by_decord[index], by_pyav[index])


def test_decord_alone_refuses_where_it_is_wrong(videos):
    with pytest.raises(BadVideoError, match='mpeg4_b.avi.*does not find frames exactly'):
        VideoSource(videos / 'mpeg4_b.avi', decoder='decord')
    with pytest.raises(BadVideoError, match='width72.mp4: decord: '):
        VideoSource(videos / 'width72.mp4', decoder='decord').get_frames([0])
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
    assert source.probe.way == 'timestamps'
    got = source.get_frames([3])[3].astype(int)
    assert np.abs(got[:, 8:40] - frame[:, 8:40]).max() <= 6
    assert np.abs(got[:, 56:88] - frame[:, 56:88]).max() <= 6


@pytest.mark.parametrize('name', ['b.mkv', 'mpeg4.avi', 'vp8.webm'])
def test_truncated_file(videos, tmp_path, name):
    content = (videos / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadVideoError, match='truncated: the header promises') as error:
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
    'truncated_faststart_half.mp4': 'truncated: the header promises 63 frames',
    'truncated_moov_missing.mp4': 'cannot be opened as a video',
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
        reference = [frame for frame in container.decode(video=0)]
        for index in sorted({0, count // 3, count - 1}):
            image = reference[index].to_ndarray(format='rgb24')
            if name.startswith('h264_rotate90'):
                image = np.rot90(image)  # counter-clockwise, as the display matrix says
            got = source.get_frames([index])[index]
            assert got.shape == (*shape, 3) and got.dtype == np.uint8
            np.testing.assert_array_equal(got, image)


def test_rotation_agrees_with_opencv_and_between_decoders(odd):
    path = odd / 'h264_rotate90_meta.mp4'
    capture = cv2.VideoCapture(str(path))
    reference = capture.read()[1][..., ::-1].astype(int)
    capture.release()
    for decoder in ('decord', 'pyav'):
        got = VideoSource(path, decoder=decoder).get_frames([0])[0]
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
from mmssl_video.datasets.transforms.video_io import VideoSource
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
    assert 'ERROR' not in done.stderr  # decord prints nothing
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
    assert _numbers(videos / 'plain.mp4') == [3, 50]  # decord is in use before the fork
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
        (dict(decoder='ffmpeg'), "decoder must be one of .*got 'ffmpeg'"),
        (dict(num_threads=0), 'num_threads must be at least 1'),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TRANSFORMS.build(dict(type='VideoInit', **arguments))
