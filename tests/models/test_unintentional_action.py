"""The classifier of unintentional actions: predictions, freezing, loading, testing."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

from mmssl_video.checkpoints import match_weights
from mmssl_video.engine.hooks.encoder_weights import loaded_parts
from mmssl_video.models.recognizers.unintentional_action import predict_steps

PARTS = dict(
    backbone=dict(type='ResNet2d3d', depth=18, base_channels=4),
    neck=dict(type='ConvGRU', in_channels=16, hidden_channels=12, dropout=0.1),
    predictor=dict(
        type='CompressiveMemory', in_channels=12, out_channels=16, num_slots=8, init_gain=1.0
    ),
    num_blocks=4,
    data_preprocessor=dict(
        type='ActionDataPreprocessor', mean=[100.0] * 3, std=[50.0] * 3, format_shape='NCTHW'
    ),
)
HEAD = dict(type='ContextHead', num_classes=3, dropout=0.0, batch_norm=False)


def classifier(**kwargs):
    torch.manual_seed(0)
    return MODELS.build(
        copy.deepcopy(
            dict(type='UnintentionalActionClassifier', **{**PARTS, 'cls_head': HEAD, **kwargs})
        )
    )


def pretrained(seed=1, **kwargs):
    torch.manual_seed(seed)
    return MODELS.build(
        copy.deepcopy(dict(type='DensePredictiveCoding', pred_steps=1, **{**PARTS, **kwargs}))
    )


CLIPS = torch.randn(2, 4, 3, 2, 32, 32, generator=torch.Generator().manual_seed(1))
FRAMES = [
    torch.randint(0, 256, (windows * 4, 3, 2, 32, 32), dtype=torch.uint8) for windows in (3, 1)
]


def samples(count, windows=1, labels=None):
    return [
        ActionDataSample().set_gt_label(
            labels if labels is not None else torch.tensor([0, 1, 2, 2] * windows)
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize('feature_map', [True, False])
def test_predictions_are_those_of_the_pretraining_recognizer(feature_map):
    """Step t from the blocks before it alone, as DensePredictiveCoding predicts one step ahead."""
    model = pretrained(feature_map=feature_map).eval()
    true, predicted = predict_steps(model, model.predictor, CLIPS)
    features = model.encode(CLIPS)
    torch.testing.assert_close(true, features[:, 1:])
    for step in range(1, 4):
        torch.testing.assert_close(
            predicted[:, step - 1], model.predict_future(features[:, :step])[:, 0]
        )
    changed = CLIPS.clone()
    changed[:, 2:] = 0
    again = predict_steps(model, model.predictor, changed)[1]
    torch.testing.assert_close(again[:, :2], predicted[:, :2])  # the future plays no part
    assert not torch.allclose(again[:, 2], predicted[:, 2])


def test_features_are_both_averaged_over_space_for_every_window():
    model = classifier().eval()
    found = model.features(torch.cat([CLIPS, CLIPS.flip(0)], 1))
    assert found.shape == (4, 3, 32)
    true, predicted = predict_steps(model, model.predictor, CLIPS)
    torch.testing.assert_close(found[0], torch.cat([true[0], predicted[0]], 1).mean((-2, -1)))
    torch.testing.assert_close(found[1], found[2])  # second window of one, first of the other


def train_step(model, steps=3):
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    losses = []
    for _ in range(steps):
        model.train()
        loss = model.loss(CLIPS, samples(2))
        optimizer.zero_grad()
        loss['loss_cls'].backward()
        optimizer.step()
        losses.append(loss)
    return losses


def test_frozen_is_bit_identical_and_only_the_classifier_learns():
    model = classifier()
    before = {
        name: value.clone()
        for part in model.encoder_parts
        for name, value in [*part.named_parameters(), *part.named_buffers()]
    }
    losses = train_step(model, 20)
    after = {
        name: value
        for part in model.encoder_parts
        for name, value in [*part.named_parameters(), *part.named_buffers()]
    }
    assert any('running_mean' in name for name in after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(module.training for part in model.encoder_parts for module in part.modules())
    assert losses[-1]['loss_cls'] < losses[0]['loss_cls']
    assert {name.split('.')[0] for name, p in model.named_parameters() if p.requires_grad} == {
        'cls_head'
    }


def test_finetuning_trains_everything_and_the_running_statistics_follow():
    model = classifier(frozen=False)
    before = copy.deepcopy(model.state_dict())
    train_step(model, 1)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    unchanged = [
        name
        for name, value in model.state_dict().items()
        if torch.equal(before[name], value) and 'bias' not in name
    ]
    assert not unchanged


def test_labels_of_the_first_block_and_of_padding_play_no_part():
    model = classifier().eval()
    [wanted] = [model.loss(CLIPS[:1], samples(1, labels=torch.tensor([0, 1, 2, 2])))]
    other = model.loss(CLIPS[:1], samples(1, labels=torch.tensor([2, 1, 2, 2])))
    assert other['loss_cls'] == wanted['loss_cls']
    scores = model.step_scores(CLIPS[:1])[0]
    padded = model.loss(CLIPS[:1], samples(1, labels=torch.tensor([0, 1, -1, -1])))
    torch.testing.assert_close(padded['loss_cls'], F.cross_entropy(scores[:1], torch.tensor([1])))
    assert padded['transitioning_share'] == 1
    nothing = model.loss(CLIPS[:1], samples(1, labels=torch.full((4,), -1)))
    assert nothing['loss_cls'] == 0 and nothing['loss_cls'].requires_grad


def test_class_weights_of_the_loss():
    weights = [1.0, 3.0, 0.65]
    model = classifier(
        cls_head=dict(HEAD, loss_cls=dict(type='CrossEntropyLoss', class_weight=weights))
    ).eval()
    scores = model.step_scores(CLIPS).flatten(0, 1)
    labels = torch.tensor([1, 2, 2] * 2)
    torch.testing.assert_close(
        model.loss(CLIPS, samples(2))['loss_cls'],
        F.cross_entropy(scores, labels, torch.tensor(weights)),
    )


def test_testing_takes_videos_with_different_numbers_of_windows():
    whole, pieces = classifier().eval(), classifier(max_views=2).eval()
    found = [
        model.test_step(dict(inputs=FRAMES, data_samples=samples(2))) for model in (whole, pieces)
    ]
    assert [tuple(sample.step_scores.shape) for sample in found[0]] == [(3, 3, 3), (1, 3, 3)]
    for one, other in zip(*found):
        torch.testing.assert_close(one.step_scores, other.step_scores)
        torch.testing.assert_close(one.step_scores.sum(-1), torch.ones(one.step_scores.shape[:2]))
    data = whole.data_preprocessor(dict(inputs=[FRAMES[0]], data_samples=samples(1, 3)))
    [predicted] = whole.predict(**data)
    torch.testing.assert_close(predicted.step_scores, found[0][0].step_scores)


@pytest.mark.parametrize('bidirectional', [False, True])
@pytest.mark.parametrize(
    'predictor',
    [PARTS['predictor'], dict(type='MLPPredictor', in_channels=12, out_channels=16)],
    ids=['memory', 'mlp'],
)
def test_checkpoints_of_pretraining_load_without_renaming(bidirectional, predictor):
    neck = dict(PARTS['neck'], bidirectional=bidirectional)
    source = pretrained(neck=neck, predictor=predictor).eval()
    model = classifier(neck=neck, predictor=predictor).eval()
    report = match_weights(model, source.state_dict(), 'ckpt', loaded_parts(model))
    assert not report.missing and not report.notices
    assert all('backward_cells' in key for key in report.unexpected)
    model.load_state_dict({key: source.state_dict()[key] for key in report.loaded}, strict=False)
    for one, other in zip(
        predict_steps(model, model.predictor, CLIPS), predict_steps(source, source.predictor, CLIPS)
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    'settings, message',
    [
        (
            dict(predictor=dict(PARTS['predictor'], in_channels=16)),
            'predictor.in_channels is 16 but the encoder needs 12',
        ),
        (
            dict(predictor=dict(PARTS['predictor'], out_channels=12)),
            'predictor.out_channels is 12 but the encoder needs 16',
        ),
        (dict(cls_head=dict(HEAD, in_channels=16)), r'cls_head.in_channels is 16 but .* 32'),
    ],
)
def test_parts_that_do_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        classifier(**settings)


def test_inputs_that_do_not_fit():
    with pytest.raises(ValueError, match='a multiple of model.num_blocks=4'):
        classifier().features(CLIPS[:, :3])
    model = pretrained()
    with pytest.raises(ValueError, match='at least 2'):
        predict_steps(model, model.predictor, CLIPS[:, :1])
