"""Flow as bytes and as files: the mapping, what a round trip costs, what is refused."""

import json
import shutil

import av
import cv2
import numpy as np
import pytest

from helpers.flow_videos import moving_frames
from helpers.videos import numbered_frames, write_video
from mmssl_video.datasets.decoding import VideoSource
from mmssl_video.datasets.errors import BadVideoError
from mmssl_video.datasets.flow_format import (
    FlowInfo,
    flow_path,
    info_from_comment,
    to_bytes,
    to_pixels,
    write_folder,
    write_packed,
)
from mmssl_video.datasets.transforms.flow_input import FlowFolder, FlowVideo, open_flow

WRITERS = dict(mp4=write_packed, jpeg=write_folder)


def fields(count=7, height=45, width=61):
    """Smooth flows with edges and noise, as TV-L1 gives them: ``[T, H, W, 2]`` uint8."""
    rng = np.random.default_rng(0)
    out = []
    for _ in range(count):
        flow = cv2.resize(
            rng.normal(0, 4, (5, 6, 2)), (width, height), interpolation=cv2.INTER_CUBIC
        )
        flow[10:30, 20:40] += rng.uniform(-8, 8, 2)
        out.append(to_bytes(flow + rng.normal(0, 0.05, flow.shape)))
    return np.stack(out)


@pytest.fixture(params=['mp4', 'jpeg'])
def written(request, tmp_path):
    flows = fields()
    path = flow_path(tmp_path, 'a b.avi', request.param)
    info = FlowInfo(20, 1, len(flows) + 1, 0, *flows.shape[1:3])
    WRITERS[request.param](path, flows, info, 29.97)
    return request.param, path, flows, info


def test_mapping_of_displacements():
    flow = np.array([-100, -20, -10, 0, 10, 20, 100, -0.01, 0.01])
    assert to_bytes(flow).tolist() == [0, 0, 64, 128, 191, 255, 255, 127, 128]
    assert to_bytes(np.array([-5.0, 0, 5]), bound=5).tolist() == [0, 128, 255]
    values = np.linspace(-20, 20, 1001)
    assert np.abs(to_pixels(to_bytes(values)) - values).max() <= 20 / 255 + 1e-5
    # the negative of a displacement is 255 minus its byte, but where both round up
    sign = to_bytes(-values).astype(int) + to_bytes(values)
    assert ((sign == 255) | (sign == 256)).all()


def test_names_of_files(tmp_path):
    assert flow_path('out', 'a/b c.avi', 'mp4').as_posix() == 'out/a/b c.avi.flow.mp4'
    assert flow_path('out', 'a/b c.avi', 'jpeg').as_posix() == 'out/a/b c.avi.flow'


def test_round_trip(written):
    """Packed files are exact; JPEGs are off by a thirtieth of a pixel on average."""
    kind, path, flows, info = written
    reader = open_flow(path)
    assert isinstance(reader, FlowVideo if kind == 'mp4' else FlowFolder)
    assert len(reader) == 7 and reader.info == info
    assert reader.fps == pytest.approx(29.97, abs=1e-3)
    frames = reader.get_frames([3, 0, 6, 3])
    assert sorted(frames) == [0, 3, 6]
    every = reader.get_frames(range(7))
    read = np.stack([every[i] for i in range(7)])
    assert read.shape == (7, 45, 61, 3) and read.dtype == np.uint8
    assert (read[..., 2] == 128).all()
    assert all(np.array_equal(frames[i], read[i]) for i in frames)
    error = np.abs(read[..., :2].astype(int) - flows)
    if kind == 'mp4':
        assert error.max() == 0
    else:
        assert 0 < error.mean() < 0.5 and error.max() <= 12  # levels of 40 / 255 pixels


def test_lossy_packed_files_are_smaller_and_close(tmp_path):
    flows = fields(height=64, width=96)
    info = FlowInfo(20, 1, 8, 0, 64, 96)
    sizes = []
    for crf, most in ((0, 0), (17, 1.0)):
        path = tmp_path / f'{crf}.flow.mp4'
        write_packed(path, flows, info, 25, crf)
        frames = FlowVideo(path).get_frames(range(7))
        error = np.abs(np.stack([frames[i] for i in range(7)])[..., :2].astype(int) - flows)
        assert error.mean() <= most
        sizes.append(path.stat().st_size)
    assert sizes[1] < 0.6 * sizes[0]


def test_packed_files_are_key_frames_only_and_shown_in_full_range(tmp_path):
    path = tmp_path / 'a.flow.mp4'
    write_packed(path, fields(), FlowInfo(20, 1, 8, 0, 45, 61), 0)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        assert len(packets) == 7 and all(p.is_keyframe for p in packets)
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (61, 90)
        assert stream.average_rate == 25  # where the video does not say
        comment = container.metadata['comment']
    assert info_from_comment(comment) == FlowInfo(20, 1, 8, 0, 45, 61)
    assert '45' in comment and info_from_comment('holiday v1 bound=20') is None
    assert info_from_comment(comment.replace(' v1 ', ' v2 ')) is None
    assert info_from_comment(comment.replace('step=', 'steps=')) is None


def test_writing_that_fails_leaves_nothing(written, tmp_path):
    kind, path, flows, info = written
    before = open_flow(path).get_frames([2])[2]

    def broken():
        yield flows[0]
        raise ValueError('no more')

    for target in (path, path.with_name('new' + path.suffix)):
        with pytest.raises(ValueError, match='no more'):
            WRITERS[kind](target, broken(), info, 25)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert np.array_equal(open_flow(path).get_frames([2])[2], before)
    WRITERS[kind](path, flows[::-1], info, 25)  # a whole one takes its place
    assert len(list(tmp_path.iterdir())) == 1
    assert not np.array_equal(open_flow(path).get_frames([2])[2], before)


# ------------------------------------------------------------------------------ what is refused


def test_videos_and_flow_are_not_mixed_up(written, tmp_path):
    kind, path, *_ = written
    video = write_video(tmp_path / 'b.flow.mp4', numbered_frames(8))
    with pytest.raises(BadVideoError, match='is an ordinary video, not packed optical flow'):
        open_flow(video)
    if kind == 'mp4':
        with pytest.raises(BadVideoError, match="holds optical flow: read it with modality='Flow'"):
            VideoSource(path)
    else:
        with pytest.raises(BadVideoError, match='is a folder'):
            VideoSource(path)
    with pytest.raises(BadVideoError, match='no such file'):
        open_flow(tmp_path / 'none.flow.mp4')


def test_flow_encoded_anew_is_refused(tmp_path):
    """FFmpeg keeps the comment when it transcodes; the values would be others."""
    info = FlowInfo(20, 1, 8, 0, 64, 96)
    for name, size, colour_range in (('scaled', (64, 48), 2), ('range', (128, 96), 1)):
        path = tmp_path / f'{name}.flow.mp4'
        with av.open(str(path), 'w') as container:
            container.metadata['comment'] = info.comment()
            stream = container.add_stream('libx264', rate=25)
            stream.height, stream.width, stream.pix_fmt = *size, 'yuv420p'
            stream.codec_context.color_range = colour_range
            for frame in moving_frames(7, size=size):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
            container.mux(stream.encode())
        with pytest.raises(BadVideoError, match='someone has encoded it anew'):
            FlowVideo(path).get_frames([0])


def test_packed_flow_with_flows_missing(tmp_path):
    flows, info = fields(), FlowInfo(20, 1, 10, 0, 45, 61)
    path = tmp_path / 'a.flow.mp4'
    write_packed(path, flows, info, 25)
    with pytest.raises(BadVideoError, match='holds 7 flows instead of 9'):
        FlowVideo(path)
    assert len(FlowVideo(path, allow_truncated=True)) == 7


def test_folders_that_are_no_flow(tmp_path):
    flows = fields()
    folder = tmp_path / 'a.flow'
    write_folder(folder, flows, FlowInfo(20, 1, 8, 0, 45, 61), 25)
    assert open_flow(folder).is_whole()
    meta = json.loads((folder / 'meta.json').read_text())
    assert (meta['count'], meta['frames'], meta['fps'], meta['bound']) == (7, 8, 25, 20)
    for change, words in (
        (dict(version=2), 'version 2'),
        (dict(height=None), 'TypeError'),
        (dict(format='photos'), 'photos'),
    ):
        other = tmp_path / 'other.flow'
        shutil.copytree(folder, other)
        (other / 'meta.json').write_text(json.dumps({**meta, **change}))
        with pytest.raises(BadVideoError, match=f'not what extract_flow.py writes .*{words}'):
            open_flow(other)
        shutil.rmtree(other)
    with pytest.raises(IndexError, match='which has 7 frames'):
        open_flow(folder).get_frames([7])
    (folder / 'flow_y_00003.jpg').write_bytes(b'no jpeg')
    (folder / 'flow_x_00005.jpg').unlink()
    flow = open_flow(folder)
    assert not flow.is_whole()
    assert flow.get_frames([1])[1].shape == (45, 61, 3)
    with pytest.raises(BadVideoError, match='flow_y_00003.jpg: no JPEG of 45x61'):
        flow.get_frames([2])
    with pytest.raises(BadVideoError, match='flow_x_00005.jpg: No such file'):
        flow.get_frames([4])
    (folder / 'meta.json').unlink()
    with pytest.raises(BadVideoError, match='is a folder without meta.json'):
        open_flow(folder)
