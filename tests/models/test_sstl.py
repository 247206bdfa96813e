"""The SSTL recognizer: terms of its loss, labels, its bank, accumulation, two processes."""

import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from torch.nn.modules.batchnorm import _BatchNorm

from helpers.tiny_run import run_workers
from mmssl_video.apis import Encoder, build_encoder
from mmssl_video.models.losses import ClipToVideoLoss, PlaybackRateLoss
from mmssl_video.models.losses.clip_contrast import contrast_views

CONFIG = dict(
    type='SSTL',
    backbone=dict(type='VideoResNet', depth=10, base_channels=4, stem_pool=True, norm_eval=True),
    projector=dict(type='ProjectionMLP', in_channels=32, hidden_channels=16, out_channels=8),
    bank=dict(type='TemporalMemoryBank', dim=8, num_cells=2),
    rate_head=dict(type='PlaybackRateHead', in_features=32, hidden_channels=8),
    losses=dict(clip=dict(num_negatives=6)),
)


def build(seed=0, clip=(), losses=(), **changes):
    """A model with changed settings; ``clip`` of that loss, ``losses`` by slot."""
    torch.manual_seed(seed)
    slots = {'clip': {**CONFIG['losses']['clip'], **dict(clip)}, **dict(losses)}
    model = MODELS.build({**CONFIG, 'losses': slots, **changes})
    if model.bank is not None:
        model.bank.set_videos(20, seed=3)
    return model.train()


def freeze_norms(model):
    """Statistics of its own batch would make a large batch differ from two small ones."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    return model


def batch(count=4, seed=0, videos=None):
    rng = np.random.default_rng(seed)
    videos = rng.permutation(20)[:count] if videos is None else videos
    samples = []
    for video in videos:
        sample = ActionDataSample()
        sample.set_metainfo(
            dict(
                sample_idx=int(video),
                temporal_position=rng.uniform(0, 1, 2),
                playback_rate=rng.uniform(1, 1.25, 2).astype(np.float32),
            )
        )
        samples.append(sample)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, 3, 8, 32, 32, generator=generator), samples


def total(losses):
    return sum(value for name, value in losses.items() if 'loss' in name)


def step(model, *data):
    losses = model.loss(*data)
    total(losses).backward()
    model.update_bank()
    return losses


# ------------------------------------------------------------------------- the loss


def test_the_sum_of_equation_6():
    model = freeze_norms(build())
    for seed in range(3):
        step(model, *batch(seed=seed))
    inputs, samples = batch(seed=7)
    losses = model.loss(inputs, samples)
    maps = model.backbone(torch.cat([inputs[:, 0], inputs[:, 1]]))
    h = model.projector(maps.mean((2, 3, 4)))
    videos = [sample.sample_idx for sample in samples]
    cells, _ = model.bank.draw(6, [np.array(videos)])
    assert len(cells) == 6
    clip, _ = contrast_views(h[:4], h[4:], 0.1, bank=cells)
    video, _ = ClipToVideoLoss()(h, model.bank.table[videos * 2].mean(1))
    rates = torch.tensor(np.stack([s.playback_rate for s in samples], 1).reshape(-1))
    rate, _ = PlaybackRateLoss()(model.rate_head(maps), rates)
    torch.testing.assert_close(losses['loss_clip'], clip)
    torch.testing.assert_close(losses['loss_video'], 0.2 * video)
    torch.testing.assert_close(losses['loss_rate'], 0.1 * rate)
    assert {
        'feature_std',
        'projection_std',
        'top1',
        'num_negatives',
        'video/cosine',
        'video/known',
        'rate/error',
        'bank/filled',
    } <= set(losses)
    total_loss, _logged = model.parse_losses(losses)
    torch.testing.assert_close(total_loss, clip + 0.2 * video + 0.1 * rate)


def test_gradients_do_not_flow_into_the_bank_but_into_all_weights():
    model = build()
    step(model, *batch())
    model.zero_grad()
    step(model, *batch())
    assert not model.bank.table.requires_grad
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


@pytest.mark.parametrize(
    'off, absent',
    [
        (dict(clip=None), 'loss_clip'),
        (dict(video=dict(weight=0)), 'loss_video'),
        (dict(rate=dict(weight=0)), 'loss_rate'),
    ],
)
def test_each_term_may_be_switched_off(off, absent):
    model = build(losses=off)
    losses = step(model, *batch())
    terms = {'loss_clip', 'loss_video', 'loss_rate'}
    assert terms & set(losses) == terms - {absent}
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_nothing_unused_is_built():
    model = build(clip=dict(num_negatives=0), losses=dict(rate=None, video=None))
    assert model.bank is None and model.rate_head is None
    step(model, *batch())
    only_rate = build(losses=dict(clip=None, video=None))
    assert only_rate.bank is None
    step(only_rate, *batch())
    assert all(p.grad is not None for p in only_rate.parameters() if p.requires_grad)
    # such a run needs no labels but its own
    inputs, samples = batch()
    for sample in samples:
        sample.set_metainfo(dict(sample_idx=None))
    only_rate.loss(inputs, samples)


def test_it_learns_to_tell_clips_apart():
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    data = batch(8)
    history = []
    for _ in range(30):
        optimizer.zero_grad()
        history.append(total(step(model, *data)).item())
        optimizer.step()
    assert history[-1] < 0.7 * history[0]


def test_features_for_evaluation():
    model, inputs = build().eval(), torch.rand(2, 3, 3, 8, 32, 32)
    pooled = model.backbone(inputs.flatten(0, 1)).mean((2, 3, 4))
    torch.testing.assert_close(model.extract_feat(inputs), pooled.unflatten(0, (2, 3)).mean(1))
    found = Encoder(model, Config(), 'sstl').extract_levels(inputs, ('context', 'projection'))
    torch.testing.assert_close(found['context'], model.extract_feat(inputs))
    torch.testing.assert_close(
        found['projection'], model.projector(pooled).unflatten(0, (2, 3)).mean(1)
    )


def test_a_checkpoint_brings_the_projection_head(tmp_path):
    model = build(seed=1)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'sstl.pth')
    config = Config(dict(model=CONFIG))
    encoder = build_encoder(tmp_path / 'sstl.pth', config, device='cpu')
    for part in ('backbone', 'projector'):
        for one, two in zip(
            getattr(encoder.model, part).state_dict().values(),
            getattr(model, part).state_dict().values(),
        ):
            assert torch.equal(one, two)
    weights = {key: value for key, value in model.state_dict().items() if 'projector' not in key}
    torch.save(dict(state_dict=weights), tmp_path / 'backbone.pth')
    build_encoder(tmp_path / 'backbone.pth', config, device='cpu')


def test_validation_leaves_the_bank_alone():
    model = build()
    step(model, *batch())
    before = model.bank.table.clone()
    inputs, samples = batch(videos=[999, 1, 1, 5])  # held-out videos have other indices
    model.eval()
    with torch.no_grad():
        stats = model.predict(inputs, samples)[0].ssl_stats
    model.train().update_bank()
    assert torch.equal(model.bank.table, before)
    assert stats['loss'] > 0 and stats['num_negatives'] == 6 and 'video/cosine' not in stats


# ------------------------------------------------------------------------- the bank


def test_the_bank_learns_after_the_step_from_both_views():
    model = freeze_norms(build())
    inputs, samples = batch()
    model.loss(inputs, samples)
    assert not model.bank.filled.any()
    model.update_bank()
    twin = freeze_norms(build()).bank
    h = model.projector(model.backbone(torch.cat([inputs[:, 0], inputs[:, 1]])).mean((2, 3, 4)))
    twin.update(
        torch.tensor([s.sample_idx for s in samples] * 2),
        torch.tensor(np.stack([s.temporal_position for s in samples], 1).reshape(-1)),
        h,
    )
    torch.testing.assert_close(model.bank.table, twin.table)
    model.update_bank()  # no clip since
    torch.testing.assert_close(model.bank.table, twin.table)
    assert model.bank.num_updates == 1


def test_accumulated_batches_equal_one_large_batch():
    """Two batches of 4 and one of 8 in groups of 4: losses, gradients and bank, BN frozen."""
    large = freeze_norms(build(clip=dict(gather=False, group_size=4)).double())
    small = freeze_norms(build(clip=dict(gather=False)).double())
    for seed in range(4):
        inputs, samples = batch(8, seed, np.random.default_rng(seed).integers(0, 20, 8))
        inputs = inputs.double()
        one = large.loss(inputs, samples)
        total(one).backward()
        large.update_bank()
        halves = [small.loss(inputs[part], samples[part]) for part in (slice(4), slice(4, 8))]
        for half in halves:
            (total(half) / 2).backward()
        small.update_bank()
        for name in (
            'loss_clip',
            'loss_video',
            'loss_rate',
            'top1',
            'num_negatives',
            'video/known',
            'rate/error',
        ):
            mean = (halves[0][name] + halves[1][name]).double() / 2
            torch.testing.assert_close(mean, one[name].double(), rtol=1e-6, atol=1e-8, msg=name)
        torch.testing.assert_close(small.bank.table, large.bank.table, rtol=0, atol=1e-6)
        assert torch.equal(small.bank.filled, large.bank.filled)
    for one, two in zip(large.parameters(), small.parameters()):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-6, atol=1e-9)
    assert one.grad.abs().max() > 0


# ------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    'name, source',
    [
        ('sample_idx', 'VideoListDataset'),
        ('temporal_position', 'TemporalRandomCrop'),
        ('playback_rate', 'PlaybackRateDistortion'),
    ],
)
def test_a_missing_label_is_named(name, source):
    inputs, samples = batch()
    for sample in samples:
        sample.pop(name)
    with pytest.raises(ValueError, match=f'no {name}, which SSTL needs: {source} gives it'):
        build().loss(inputs, samples)
    with pytest.raises(ValueError, match='which SSTL needs'):
        build().loss(inputs, None)


def test_a_wrong_index_and_wrong_inputs():
    inputs, samples = batch(videos=[1, 2, 3, 20])
    with pytest.raises(ValueError, match='video 20 .* not in the temporal memory bank of 20'):
        build().loss(inputs, samples)
    with pytest.raises(ValueError, match='RepeatClips'):
        build().loss(inputs[:, :1], samples)
    with pytest.raises(ValueError, match='set model.rate_head.in_features=128'):
        build().loss(inputs.repeat(1, 1, 1, 1, 2, 2), batch()[1])
    with pytest.raises(ValueError, match='no whole number of groups'):
        build(clip=dict(gather=False, group_size=3)).loss(*batch())


@pytest.mark.parametrize(
    'changes, text',
    [
        (dict(losses=dict(clip=None, video=None, rate=dict(weight=0))), 'weights of the losses'),
        (dict(losses=dict(video=dict(weight=-1))), 'weight of ClipToVideoLoss'),
        (dict(clip=dict(temperature=0)), 'temperature'),
        (dict(clip=dict(group_size=2)), 'gather=False'),
        (dict(bank=None), 'model.bank is missing'),
        (dict(rate_head=None), 'rate_head is missing'),
        (dict(bank=dict(type='TemporalMemoryBank', dim=4)), 'set bank.dim=8'),
    ],
)
def test_contradictions_in_the_config(changes, text):
    with pytest.raises(ValueError, match=text):
        build(**changes)


# ------------------------------------------------------------------------- two processes

WORKER = textwrap.dedent("""
    import sys
    import torch
    import torch.distributed as dist
    sys.path.insert(0, sys.argv[4])
    import mmssl_video
    from mmengine.model import MMDistributedDataParallel
    from mmengine.optim import OptimWrapper
    from models.test_sstl import batch, build, freeze_norms

    rank, world, folder, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[5]
    torch.set_num_threads(1)
    changes = dict(gather=kind == 'gathered')
    if kind == 'groups' and world == 1:
        changes.update(group_size=2)
    model = freeze_norms(build(clip=changes).double())
    raw = model
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9))
    if world > 1:
        dist.init_process_group('gloo', init_method=f'file://{folder}/{kind}', rank=rank,
                                world_size=world)
        model = MMDistributedDataParallel(model, broadcast_buffers=False)
    losses = []
    for number in range(5):
        inputs, samples = batch(4, number, [number % 3, 5, 6 + number % 2, number % 3])
        share = slice(rank * 4 // world, (rank + 1) * 4 // world)
        with optimizer.optim_context(model):
            out = model(inputs[share].double(), samples[share], mode='loss')
            loss, _ = raw.parse_losses(out)
        optimizer.update_params(loss)
        raw.update_bank()
        losses.append(loss.detach())
    torch.save(dict(losses=torch.stack(losses), weights=raw.state_dict(),
                    bank=raw.bank.state()), f'{folder}/{kind}_{world}_{rank}.pt')
""")


def test_two_processes_equal_one(tmp_path):
    """Same losses, weights and bank; a video twice in a batch, in one and in two processes."""
    script = tmp_path / 'worker.py'
    script.write_text(WORKER)
    tests = str(Path(__file__).parents[1])
    for kind in ('gathered', 'groups'):
        ranks = [(0, 1), (0, 2), (1, 2)]
        run_workers(script, [(*rank, tmp_path, tests, kind) for rank in ranks], tmp_path)
        one, *two = (
            torch.load(tmp_path / f'{kind}_{name}.pt', weights_only=True)
            for name in ('1_0', '2_0', '2_1')
        )
        torch.testing.assert_close(
            (two[0]['losses'] + two[1]['losses']) / 2, one['losses'], rtol=0, atol=1e-6
        )
        assert (two[0]['losses'] - two[1]['losses']).abs().max() > 1e-4  # the shares do differ
        for name, weight in one['weights'].items():
            for half in two:
                torch.testing.assert_close(half['weights'][name], weight, rtol=1e-6, atol=1e-7)
        assert torch.equal(two[0]['bank']['cells'], two[1]['bank']['cells'])  # bit by bit
        assert torch.equal(two[0]['bank']['filled'], two[1]['bank']['filled'])
        torch.testing.assert_close(two[0]['bank']['cells'], one['bank']['cells'], rtol=0, atol=1e-5)
        assert one['bank']['num_updates'] == two[0]['bank']['num_updates'] == 5
