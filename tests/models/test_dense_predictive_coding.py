"""The recognizer of DPC and MemDPC: options, gradients, learning, and a user's mistakes."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmengine.structures import BaseDataElement


def config(**kwargs):
    cfg = dict(
        type='DensePredictiveCoding',
        backbone=dict(type='ResNet2d3d', depth=18, base_channels=4),
        neck=dict(type='ConvGRU', in_channels=16, bidirectional=True),
        predictor=dict(type='CompressiveMemory', in_channels=16, out_channels=16, num_slots=32),
        num_blocks=5,
        pred_steps=2,
    )
    for key, value in kwargs.items():
        changes = isinstance(value, dict) and 'type' not in value
        cfg[key] = {**cfg[key], **value} if changes else value
    return cfg


def build(**kwargs):
    torch.manual_seed(0)
    return MODELS.build(copy.deepcopy(config(**kwargs)))


CLIPS = torch.randn(3, 5, 3, 5, 64, 64, generator=torch.Generator().manual_seed(1))
MLP = dict(type='MLPPredictor', in_channels=16, out_channels=16)


@pytest.mark.parametrize(
    'kwargs',
    [
        {},
        dict(neck=dict(bidirectional=False)),
        dict(predictor=MLP),
        dict(prediction='parallel', predictor=MLP),
        dict(feature_map=False, predictor=MLP),
        dict(neck=dict(num_layers=2)),
        dict(
            backbone=dict(depth=50),
            neck=dict(in_channels=64),
            predictor=dict(in_channels=64, out_channels=64),
        ),
        dict(neck=dict(hidden_channels=8), predictor=dict(in_channels=8)),
    ],
)
def test_every_variant_trains_every_parameter(kwargs):
    model = build(**kwargs)
    losses = model.loss(CLIPS)
    total, logged = model.parse_losses(losses)
    total.backward()
    assert total.item() == pytest.approx(losses['loss_prediction'].item())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0 or 'bias' in name, name
    width = model.context_channels
    assert model.eval().extract_feat(CLIPS).shape == (3, width)
    steps, places = 2, 1 if kwargs.get('feature_map') is False else 4
    assert losses['num_negatives'] == 3 * steps * places - 1
    assert logged['feature_std'] > 0


def test_losses_of_the_two_directions():
    mean, total = build(), build(direction_reduction='sum')
    a, b = mean.eval().loss(CLIPS), total.eval().loss(CLIPS)
    torch.testing.assert_close(a['loss_prediction'], (a['forward/nce'] + a['backward/nce']) / 2)
    torch.testing.assert_close(b['loss_prediction'], a['forward/nce'] + a['backward/nce'])


def test_backward_direction_predicts_the_first_blocks():
    """With equal cells, the backward direction of a clip is the forward one of its reverse."""
    model = build().eval()
    model.neck.backward_cells.load_state_dict(model.neck.forward_cells.state_dict())
    stats, reversed_stats = model.loss(CLIPS), model.loss(CLIPS.flip(1))
    torch.testing.assert_close(stats['backward/nce'], reversed_stats['forward/nce'])
    torch.testing.assert_close(stats['forward/nce'], reversed_stats['backward/nce'])
    assert not torch.isclose(stats['forward/nce'], stats['backward/nce'])


def test_sequential_prediction_feeds_predictions_back():
    """The pseudo-code of MemDPC's supplement, written out."""
    model = build(neck=dict(bidirectional=False)).eval()
    features = model.encode(CLIPS)
    hidden = model.neck(F.relu(features[:, :3]))[1]
    first = model.predictor(hidden[-1])
    hidden = model.neck(F.relu(first)[:, None], hidden)[1]
    second = model.predictor(hidden[-1])
    torch.testing.assert_close(
        model.predict_future(features[:, :3]), torch.stack([first, second], 1)
    )


def test_parallel_prediction_reads_one_context():
    model = build(prediction='parallel', predictor=MLP, neck=dict(bidirectional=False)).eval()
    features = model.encode(CLIPS)
    context = model.neck(F.relu(features[:, :3]))[0][:, -1]
    torch.testing.assert_close(
        model.predict_future(features[:, :3]), torch.stack([p(context) for p in model.predictor], 1)
    )


def test_unseen_blocks_do_not_reach_the_prediction():
    model = build(neck=dict(bidirectional=False)).eval()
    changed = CLIPS.clone()
    changed[:, 3:] = 0
    with torch.no_grad():
        torch.testing.assert_close(
            model.predict_future(model.encode(CLIPS)[:, :3]),
            model.predict_future(model.encode(changed)[:, :3]),
        )


def test_context_joins_both_directions():
    both, one = build().eval(), build(neck=dict(bidirectional=False)).eval()
    one.load_state_dict(both.state_dict(), strict=False)
    feature = both.extract_feat(CLIPS)
    torch.testing.assert_close(feature[:, :16], one.extract_feat(CLIPS))
    one.neck.forward_cells.load_state_dict(both.neck.backward_cells.state_dict())
    torch.testing.assert_close(feature[:, 16:], one.extract_feat(CLIPS.flip(1)))


def test_it_learns_a_handful_of_clips():
    """Sixty steps on three clips of noise: half the loss, more than knowing only the clip (1/8)."""
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    first = model.loss(CLIPS)['loss_prediction'].item()
    for _ in range(60):
        losses = model.loss(CLIPS)
        optimizer.zero_grad()
        losses['loss_prediction'].backward()
        optimizer.step()
    assert losses['loss_prediction'].item() < 0.5 * first
    assert losses['top1'] > 0.2


def test_predict_attaches_held_out_figures():
    model = build().eval()
    samples = model(CLIPS, [BaseDataElement() for _ in range(3)], mode='predict')
    losses = model.loss(CLIPS)
    assert len(samples) == 3
    assert samples[0].ssl_stats['loss'] == pytest.approx(losses['loss_prediction'].item(), rel=1e-5)
    assert samples[2].ssl_stats['top1'] == pytest.approx(losses['top1'].item())


def test_prediction_steps_may_change():
    model = build(pred_steps=2)
    model.set_pred_steps(4)
    assert model.loss(CLIPS)['num_negatives'] == 3 * 4 * 4 - 1
    with pytest.raises(ValueError, match='num_blocks=5'):
        model.set_pred_steps(5)
    parallel = build(prediction='parallel', predictor=MLP)
    with pytest.raises(ValueError, match='pred_steps=3'):
        parallel.set_pred_steps(3)


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(pred_steps=5), 'num_blocks=5'),
        (dict(pred_steps=0), 'at least 1'),
        (dict(prediction='both'), 'sequential'),
        (dict(direction_reduction='max'), 'direction_reduction'),
        (dict(backbone=dict(depth=19)), 'depth'),
        (dict(neck=dict(in_channels=32)), 'neck.in_channels=16'),
        (dict(predictor=dict(in_channels=8)), 'predictor.in_channels=16'),
        (dict(predictor=dict(out_channels=8)), 'predictor.out_channels=16'),
    ],
)
def test_contradictions_are_named_at_build_time(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)


def test_wrong_inputs_are_named():
    model = build()
    with pytest.raises(ValueError, match='4 blocks but model.num_blocks is 5'):
        model.loss(CLIPS[:, :4])
    with pytest.raises(ValueError, match='SplitBlocks'):
        model.loss(CLIPS[:, 0])


class TestContextClassifier:
    cfg = dict(
        type='ContextClassifier',
        backbone=config()['backbone'],
        neck=config()['neck'],
        cls_head=dict(
            type='ContextHead', num_classes=6, in_channels=32, dropout=0.0, average_clips='prob'
        ),
        num_blocks=5,
    )

    def build(self, **kwargs):
        torch.manual_seed(0)
        return MODELS.build(copy.deepcopy({**self.cfg, **kwargs}))

    def test_pretrained_encoder_loads_without_renaming(self):
        pretrained, classifier = build().eval(), self.build(relu_first=False).eval()
        missing = classifier.load_state_dict(pretrained.state_dict(), strict=False).missing_keys
        assert missing and all(key.startswith('cls_head.') for key in missing)
        torch.testing.assert_close(classifier.extract_feat(CLIPS), pretrained.extract_feat(CLIPS))

    def test_loss_trains_encoder_and_head(self):
        from mmaction.structures import ActionDataSample

        model = self.build()
        samples = [ActionDataSample().set_gt_label(i) for i in range(3)]
        losses = model.loss(CLIPS, samples)
        model.parse_losses(losses)[0].backward()
        assert all(p.grad is not None for p in model.parameters())
        assert 'top1_acc' in losses

    def test_windows_are_averaged(self):
        from mmaction.structures import ActionDataSample

        model = self.build().eval()
        windows = torch.cat([CLIPS[:1], CLIPS[1:2]], 1)
        [sample] = model.predict(windows, [ActionDataSample().set_gt_label(0)])
        singles = [
            model.predict(CLIPS[i : i + 1], [ActionDataSample().set_gt_label(0)])[0]
            for i in range(2)
        ]
        torch.testing.assert_close(
            sample.pred_score, (singles[0].pred_score + singles[1].pred_score) / 2
        )
        assert sample.pred_score.sum().item() == pytest.approx(1, abs=1e-5)

    def test_head_of_another_width(self):
        with pytest.raises(ValueError, match='cls_head.in_channels=32'):
            self.build(cls_head={**self.cfg['cls_head'], 'in_channels': 16})
