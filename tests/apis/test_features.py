"""Features of datasets, folders, lists, files and arrays; views, bad videos, npz files."""

import numpy as np
import pytest
import torch
from mmengine.config import Config

from helpers.videos import write_video
from mmssl_video.apis import FeatureSet, build_encoder, extract_features
from mmssl_video.datasets.views import test_pipeline, view_of
from mmssl_video.datasets.windows import as_frames, as_windows


@pytest.fixture(scope='module')
def encoder(probe_set):
    return build_encoder(probe_set.checkpoint)


@pytest.fixture(scope='module')
def frames():
    return np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)


def test_blocks_are_put_back_into_windows_and_frames():
    inputs = torch.arange(6).view(6, 1, 1, 1, 1) * 10 + torch.arange(2).view(1, 1, 2, 1, 1)
    windows = as_windows(inputs, 3)
    assert windows.shape == (2, 3, 1, 2, 1, 1)
    assert as_frames(windows)[1].flatten().tolist() == [30, 31, 40, 41, 50, 51]
    with pytest.raises(ValueError, match='no whole number of windows of 4 blocks'):
        as_windows(inputs, 4)


def test_views_come_from_the_encoders_own_config(probe_set, encoder):
    pipeline = test_pipeline(encoder.view, num_windows=3)
    assert dict(pipeline['sample']) == dict(
        type='SampleWindow', num_frames=8, stride=1, short='loop', mode='uniform', num_windows=3
    )
    assert view_of(pipeline).num_blocks == 4
    assert view_of(pipeline).sentence == (
        '3 uniform windows of 8 frames at stride 1, 4 blocks, CenterCrop 32, mean over views'
    )
    assert 'Flip' not in [step['type'] for step in pipeline.values()]
    keeps_aspect = dict(
        train_pipeline=[dict(type='SampleWindow'), dict(type='Resize', scale=(-1, 64))]
    )
    assert test_pipeline(view_of(keeps_aspect))['crop']['crop_size'] == 64
    with pytest.raises(ValueError, match='no training pipeline with SampleWindow and Resize'):
        test_pipeline(view_of(Config(dict(model=dict(type='x')))))


def test_arrays_equal_the_encoder_applied_by_hand(encoder, frames):
    """Windows of 8 frames, half overlapping: four of them in 20 frames."""
    found = extract_features(encoder, frames, window_batch=3)
    starts = [0, 4, 8, 12]
    windows = torch.stack([torch.from_numpy(frames[s : s + 8]) for s in starts])
    blocks = windows.movedim(-1, 1).unflatten(2, (4, 2)).transpose(1, 2)
    expected = encoder.extract(blocks).mean(0)
    assert found.windows.tolist() == [4] and found.names == ['array 0']
    assert found.features.shape == (1, 16) and found.features.dtype == np.float32
    assert np.allclose(found.features[0], expected.numpy(), atol=1e-5)
    one = extract_features(encoder, [frames, frames[:9]], num_windows=1)
    assert one.windows.tolist() == [1, 1]
    assert not np.allclose(one.features[0], found.features[0])


def test_folder_list_and_files_agree(probe_set, encoder):
    folder = extract_features(encoder, probe_set.videos, batch_size=4)
    assert len(folder.features) == 20 and set(folder.labels) == {-1}
    listed = extract_features(encoder, probe_set.query, root=probe_set.videos, batch_size=4)
    assert listed.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert listed.windows.tolist() == [1, 2, 3, 4, 1, 2, 3]
    files = extract_features(encoder, [probe_set.videos / f'query {i}.mp4' for i in range(7)])
    single = extract_features(encoder, probe_set.videos / 'query 3.mp4')
    by_name = dict(zip(folder.names, folder.features))
    for features, name in zip(listed.features, listed.names):
        assert np.allclose(features, by_name[name], atol=1e-5)
    assert np.allclose(files.features, listed.features, atol=1e-5)
    assert np.allclose(single.features[0], listed.features[3], atol=1e-5)
    cfg = Config.fromfile(probe_set.config).evaluation.query
    dataset = extract_features(encoder, cfg, num_workers=1)
    assert dataset.names == listed.names
    assert np.allclose(dataset.features, listed.features, atol=1e-5)


def test_class_folders_give_labels(encoder, tmp_path, frames):
    for name in ('b/one.mp4', 'a/deep/two.mp4', 'b/three.mp4'):
        write_video(tmp_path / name, frames[:8])
    found = extract_features(encoder, tmp_path)
    assert found.labels.tolist() == [0, 1, 1]


def test_bad_videos_are_named_and_counted(encoder, tmp_path, frames, capsys):
    for name in ('a.mp4', 'c.mp4', 'e.mp4'):
        write_video(tmp_path / name, frames[:8])
    (tmp_path / 'b.mp4').write_bytes(b'')
    (tmp_path / 'd.mp4').write_text('no video')
    for workers in (0, 1):
        found = extract_features(encoder, tmp_path, num_workers=workers, progress=False)
        assert [name[-5:] for name in found.names] == ['a.mp4', 'c.mp4', 'e.mp4']
        assert [name[-5:] for name, _ in found.unreadable] == ['b.mp4', 'd.mp4']
        assert 'empty' in found.unreadable[0][1]
        assert '2 of 5 videos cannot be read and are left out' in capsys.readouterr().out
    with pytest.raises(RuntimeError, match='2 of 5 videos cannot be read, more than the allowed'):
        extract_features(encoder, tmp_path, max_bad_share=0.3)
    with pytest.raises(RuntimeError, match='cannot read .*b.mp4'):
        extract_features(encoder, tmp_path, on_error='raise')
    with pytest.raises(RuntimeError, match='none of the 1 videos can be read'):
        extract_features(encoder, tmp_path / 'b.mp4')


def test_npz_round_trip_without_pickle(encoder, tmp_path, frames):
    found = extract_features(encoder, [frames, frames[5:]])
    found.unreadable = [('x é.mp4', 'is empty')]
    found.save(tmp_path / 'sub' / 'features')
    with np.load(tmp_path / 'sub' / 'features', allow_pickle=False) as file:
        assert set(file) == {'features', 'labels', 'names', 'windows', 'protocol', 'unreadable'}
    back = FeatureSet.load(tmp_path / 'sub' / 'features')
    assert np.array_equal(back.features, found.features)
    assert (back.names, back.protocol, back.unreadable) == (
        found.names,
        found.protocol,
        found.unreadable,
    )
    assert back.protocol['checkpoint_hash'] == encoder.checkpoint_hash


@pytest.mark.parametrize(
    'data, error, words',
    [
        ('nowhere', FileNotFoundError, 'nowhere does not exist'),
        (['nowhere.mp4'], FileNotFoundError, 'video nowhere.mp4 does not exist'),
        ([], ValueError, 'the list is empty'),
        (np.zeros((3, 4, 4, 3), 'f'), ValueError, r'uint8 RGB, got \[3, 4, 4, 3\] float32'),
        ([1, 2], ValueError, 'must be a folder, a list file'),
        (dict(type='VideoListDataset'), ValueError, 'has no pipeline'),
    ],
)
def test_wrong_sources(encoder, data, error, words):
    with pytest.raises(error, match=words):
        extract_features(encoder, data)


def test_an_empty_folder_and_windows_of_a_dataset(encoder, tmp_path, probe_set):
    with pytest.raises(FileNotFoundError, match='holds no videos'):
        extract_features(encoder, tmp_path)
    with pytest.raises(ValueError, match='says its windows'):
        extract_features(encoder, Config.fromfile(probe_set.config).evaluation.query, num_windows=2)
