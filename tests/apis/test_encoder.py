"""Encoders rebuilt from checkpoints, untrained ones, and calibrated BatchNorm."""

import os

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config

from helpers.probe_set import save_checkpoint
from mmssl_video.apis import build_encoder, calibrate_batchnorm


def clips(count, seed=0, blocks=4):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(
        0, 256, (count, blocks, 3, 2, 32, 32), generator=generator, dtype=torch.uint8
    )


def batches(number, size=4):
    return [dict(inputs=list(clips(size, seed))) for seed in range(number)]


def test_the_encoder_is_the_checkpoints_own(probe_set, capsys):
    encoder = build_encoder(str(probe_set.checkpoint))
    cfg = Config.fromfile(probe_set.pretraining)
    model = MODELS.build(cfg.model)
    model.load_state_dict(torch.load(probe_set.checkpoint, weights_only=True)['state_dict'])
    inputs = clips(3)
    mean, std = (
        torch.tensor(cfg.model.data_preprocessor[k]).view(3, 1, 1, 1) for k in ('mean', 'std')
    )
    with torch.no_grad():
        expected = model.eval().extract_feat((inputs.float() - mean) / std)
    found = encoder.extract(inputs)
    assert found.shape == (3, 16) and found.dtype == torch.float32
    assert torch.allclose(found, expected, atol=1e-6)
    assert encoder.name == 'encoder.pth' and len(encoder.checkpoint_hash) == 16
    assert not any(p.requires_grad for p in encoder.model.parameters())
    assert not encoder.model.training


def test_the_config_in_a_checkpoint_is_never_run(probe_set, tmp_path):
    contents = torch.load(probe_set.checkpoint, weights_only=True)
    trap = tmp_path / 'trap'
    contents['meta']['cfg'] += f'\n_ = open({str(trap)!r}, "w")\n'
    torch.save(contents, tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match='is not plain data and was not run'):
        build_encoder(tmp_path / 'evil.pth')
    assert not trap.exists()


def test_a_config_given_beside_the_checkpoint_counts(probe_set, tmp_path):
    contents = torch.load(probe_set.checkpoint, weights_only=True)
    torch.save(contents['state_dict'], tmp_path / 'bare.pth')
    with pytest.raises(ValueError, match='holds no config'):
        build_encoder(tmp_path / 'bare.pth')
    encoder = build_encoder(tmp_path / 'bare.pth', probe_set.pretraining)
    expected = build_encoder(probe_set.checkpoint)
    assert torch.equal(encoder.extract(clips(2)), expected.extract(clips(2)))


def test_random_encoders_follow_their_seed_and_leave_the_generator_alone(probe_set):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, same, other = (
        build_encoder('random', probe_set.pretraining, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    inputs = clips(2)
    assert torch.equal(first.extract(inputs), same.extract(inputs))
    assert not torch.equal(first.extract(inputs), other.extract(inputs))
    assert (first.name, first.checkpoint, first.checkpoint_hash, first.seed) == (
        'random',
        None,
        None,
        0,
    )


@pytest.mark.parametrize(
    'arguments, error, words',
    [
        (('random',), ValueError, "'random' needs a config .* --encoder-config"),
        (('random', 'nowhere.py'), FileNotFoundError, "config 'nowhere.py' does not exist"),
        (('nowhere.pth',), FileNotFoundError, 'nowhere.pth does not exist'),
        ((os.curdir,), ValueError, 'is a directory'),
        (('random', Config(dict(a=1))), ValueError, 'has no model to build an encoder from'),
        (('random', Config(), 0, 'gpu'), ValueError, "there is no device 'gpu' here"),
        (('random', Config(), 0, 'cuda:99'), ValueError, "there is no device 'cuda:99' here"),
    ],
)
def test_wrong_sources(arguments, error, words):
    with pytest.raises(error, match=words):
        build_encoder(*arguments)


def test_checkpoint_of_another_architecture(probe_set, tmp_path):
    path = tmp_path / 'wide.pth'
    save_checkpoint(
        probe_set.pretraining,
        path,
        **{
            'model.backbone.base_channels': 8,
            'model.neck.in_channels': 32,
            'model.neck.hidden_channels': 32,
            'model.predictor.in_channels': 32,
            'model.predictor.out_channels': 32,
        },
    )
    with pytest.raises(ValueError, match='another architecture'):
        build_encoder(path, probe_set.pretraining)


def test_calibration_sets_the_statistics_of_the_clips(probe_set):
    """Checked on the first layer, whose inputs are known: mean over batches, cumulative."""
    encoder = build_encoder('random', probe_set.pretraining)
    weights = {k: v.clone() for k, v in encoder.model.named_parameters()}
    seen = []
    hook = encoder.model.backbone.bn1.register_forward_pre_hook(
        lambda module, args: seen.append(args[0].detach())
    )
    assert calibrate_batchnorm(encoder, batches(5), 3) == 3
    hook.remove()
    bn = encoder.model.backbone.bn1
    dims = [d for d in range(seen[0].ndim) if d != 1]
    assert len(seen) == 3
    assert torch.allclose(
        bn.running_mean, torch.stack([x.mean(dims) for x in seen]).mean(0), atol=1e-5
    )
    assert torch.allclose(
        bn.running_var, torch.stack([x.var(dims) for x in seen]).mean(0), rtol=1e-4
    )
    assert bn.momentum == 0.1 and not bn.training and not encoder.model.training
    assert all(torch.equal(weights[k], v) for k, v in encoder.model.named_parameters())
    assert encoder.name == 'random, BN calibrated' and encoder.bn_batches == 3
    again = build_encoder('random', probe_set.pretraining)
    assert not torch.allclose(again.extract(clips(2)), encoder.extract(clips(2)))


def test_calibration_uses_the_middle_window_of_a_video(probe_set):
    """So memory does not grow with the length of a video, nor its weight in the statistics."""
    first, second = (build_encoder('random', probe_set.pretraining) for _ in range(2))
    long, short = clips(3), clips(1, seed=1)
    calibrate_batchnorm(first, [dict(inputs=[long.flatten(0, 1), short[0]])], 1)
    calibrate_batchnorm(second, [dict(inputs=[long[1], short[0]])], 1)
    for (name, a), b in zip(first.model.named_buffers(), second.model.buffers()):
        assert torch.equal(a, b), name


def test_calibration_without_running_statistics_does_nothing_and_says_so(probe_set, capsys):
    cfg = Config.fromfile(probe_set.pretraining)
    cfg.model.backbone.track_running_stats = False
    encoder = build_encoder('random', cfg)
    assert 'keep no running statistics' in capsys.readouterr().out
    expected = encoder.extract(clips(2))
    assert calibrate_batchnorm(encoder, batches(2), 2) == 0
    assert 'nothing to calibrate' in capsys.readouterr().out
    assert encoder.name == 'random'
    assert torch.equal(encoder.extract(clips(2)), expected)


def test_calibration_needs_a_batch(probe_set):
    encoder = build_encoder('random', probe_set.pretraining)
    with pytest.raises(ValueError, match='on no batch'):
        calibrate_batchnorm(encoder, batches(2), 0)
