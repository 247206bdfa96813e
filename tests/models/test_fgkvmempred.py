"""BYOL, the key-value memory and the concept dictionaries against their equations, plainly."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS

from mmssl_video.models.heads import ConceptDictionaries, KeyValueMemory
from mmssl_video.models.losses import ConceptAlignmentLoss, ConceptReconstructionLoss

WIDTH, CODE = 32, 6


def byol(**changes):
    config = dict(
        type='BYOL',
        backbone=dict(type='VideoResNet', base_channels=4, last_stage='dilated'),
        projector=dict(
            type='ProjectionMLP', in_channels=WIDTH, hidden_channels=10, out_channels=CODE
        ),
        predictor=dict(type='KeyValueMemory', in_channels=CODE, out_channels=CODE, num_slots=8),
        concepts=dict(
            type='ConceptDictionaries', in_channels=CODE, feature_channels=WIDTH, num_concepts=9
        ),
    )
    config.update(changes)
    return MODELS.build(config)


def concept_loss(head, recon, align, online, target, features, goals):
    """Eq. 9 of a batch, as BYOL puts the parts together, and the figures."""
    codes = head(online, target)
    rebuilt, found = recon(head.rebuild(codes), torch.stack([features, goals]))
    aligned, figures = align(*codes, centre=head.centre)
    if head.training:
        head.note(codes[1])
    return recon.weight * rebuilt + align.weight * aligned, {**found, **figures}


def pairs(count=3):
    torch.manual_seed(1)
    return torch.randn(count, 2, 3, 8, 32, 32)


# -- Eq. 2 and 3 --------------------------------------------------------------------------------
@pytest.mark.parametrize('heads', [1, 2])
def test_reading_the_memory_is_equation_2_and_3(heads):
    torch.manual_seed(0)
    memory = KeyValueMemory(6, 4, num_slots=10, scale=5.0, heads=heads, hidden_channels=7).eval()
    contexts = torch.randn(3, 6)
    got = memory(contexts)
    slots = 10 // heads
    for row, context in enumerate(contexts):
        query = memory.phi(context[None])[0].chunk(heads)
        read = []
        for head in range(heads):
            keys = memory.keys[head * slots : (head + 1) * slots]
            values = memory.values[head * slots : (head + 1) * slots]
            scores = [
                math.exp(5.0 * F.cosine_similarity(key, query[head], dim=0).item()) for key in keys
            ]
            alpha = [score / sum(scores) for score in scores]
            torch.testing.assert_close(memory.address(context[None])[0, head], torch.tensor(alpha))
            read.append(sum(a * value for a, value in zip(alpha, values)))
        torch.testing.assert_close(got[row], torch.cat(read))


def test_memory_treats_maps_and_vectors_alike():
    memory = KeyValueMemory(6, 4, num_slots=8).eval()
    context = torch.randn(2, 6, 3, 5)
    on_map = memory(context)
    assert on_map.shape == (2, 4, 3, 5)
    torch.testing.assert_close(on_map[..., 1, 2], memory(context[..., 1, 2]))


@pytest.mark.parametrize('heads', [1, 4])
def test_usage_counts_each_slot_once(heads):
    memory = KeyValueMemory(8, 8, num_slots=12, heads=heads, scale=1e-6)
    memory(torch.randn(20, 8))
    torch.testing.assert_close(memory.usage.mean, torch.full((12,), 1 / 12))
    stats = memory.statistics()
    assert stats['memory/usage_entropy'] == pytest.approx(1, abs=1e-5)
    assert stats['memory/dead_slots'] == 0


@pytest.mark.parametrize(
    'settings, words',
    [
        (dict(num_slots=1), 'num_slots'),
        (dict(scale=0), 'predictor.scale'),
        (dict(num_slots=10, heads=4, in_channels=8, out_channels=8), 'num_slots=10'),
        (dict(heads=4, in_channels=6), 'key_channels=6'),
        (dict(heads=4, in_channels=8, out_channels=6), 'out_channels=6'),
        (dict(num_slots=4, heads=4), 'at least 2 for each head'),
        (dict(heads=0), 'heads=0'),
    ],
)
def test_wrong_memories(settings, words):
    with pytest.raises(ValueError, match=words):
        KeyValueMemory(**settings)


# -- Eq. 5 to 9 ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(recon=dict(distance='cosine')),
        dict(recon=dict(distance='cosine', average='elements')),
        dict(recon=dict(average='elements')),
        dict(align=dict(centring='add')),
        dict(cosine_codes=True),
        dict(
            align=dict(online_temperature=0.1, target_temperature=0.2),
            recon=dict(weight=0.5, shares=(0.6, 0.8)),
        ),
    ],
    ids=str,
)
def test_concept_loss_is_equations_5_to_9(options):
    torch.manual_seed(0)
    cosine = options.get('cosine_codes', False)
    head = ConceptDictionaries(
        5, 7, num_concepts=9, hidden_channels=4, cosine_codes=cosine
    ).double()
    recon_options, align_options = options.get('recon', {}), options.get('align', {})
    parts = (
        ConceptReconstructionLoss(**recon_options),
        ConceptAlignmentLoss(weight=0.2, **align_options),
    )
    head.centre.copy_(torch.randn(9))
    for concepts in (head.online_concepts, head.target_concepts):
        concepts.data.normal_()
    online, target = (torch.randn(4, 5, dtype=torch.float64) for _ in range(2))
    features, goals = (torch.randn(4, 7, dtype=torch.float64) for _ in range(2))
    centre = head.centre.clone()
    loss, stats = concept_loss(head, *parts, online, target, features, goals)

    tau_s = align_options.get('online_temperature', 0.05)
    tau_t = align_options.get('target_temperature', tau_s)
    sign = 1 if align_options.get('centring') == 'add' else -1
    codes, recon, align = {}, {}, 0.0
    for name, z, w, dictionary, y in (
        ('s', online, head.online_concepts, head.online_dictionary, features),
        ('t', target, head.target_concepts, head.target_dictionary, goals),
    ):
        codes[name] = torch.stack(
            [
                torch.stack(
                    [
                        F.cosine_similarity(row, concept, dim=0) if cosine else row.dot(concept)
                        for concept in w
                    ]
                )
                for row in z
            ]
        )
        rebuilt = dictionary(codes[name])
        if recon_options.get('distance') == 'cosine':
            recon[name] = sum(
                1 - F.cosine_similarity(a, b, dim=0) for a, b in zip(rebuilt, y)
            ) / len(y)
        else:
            recon[name] = sum((a - b).pow(2).sum() for a, b in zip(rebuilt, y)) / len(y)
        if recon_options.get('average') == 'elements':
            recon[name] = recon[name] / y.shape[1]
    for q_s, q_t in zip(codes['s'], codes['t']):
        shifted = torch.exp((q_t + sign * centre) / tau_t)
        given = torch.exp(q_s / tau_s)
        align = align - (shifted / shifted.sum() * torch.log(given / given.sum())).sum() / 4
    torch.testing.assert_close(stats['concepts/recon_online'], recon['s'].detach())
    torch.testing.assert_close(stats['concepts/recon_target'], recon['t'].detach())
    torch.testing.assert_close(stats['concepts/align'], align.detach())
    weights = (0.3, 0.4) if 'shares' in recon_options else (0.01, 0.01)
    expected = weights[0] * recon['s'] + weights[1] * recon['t'] + 0.2 * align
    torch.testing.assert_close(loss, expected)
    assert torch.equal(head.centre, centre), 'it moves after the optimizer step'
    head.update_centre()
    torch.testing.assert_close(head.centre, 0.9 * centre + 0.1 * codes['t'].mean(0).detach())


@pytest.mark.parametrize('when', ['step', 'forward'])
def test_centre_follows_the_codes_of_all_clips_of_a_step(when):
    head = ConceptDictionaries(5, 7, num_concepts=9, centre_update=when, centre_momentum=0.8)
    head.target_concepts.data.normal_()
    batches = [torch.randn(count, 5) for count in (4, 2)]
    codes = [head.codes(batch, head.target_concepts).detach() for batch in batches]
    for batch in batches:
        head.note(head(batch, batch)[1])
    head.update_centre()
    if when == 'step':
        expected = 0.2 * torch.cat(codes).mean(0)
    else:
        expected = 0.8 * 0.2 * codes[0].mean(0) + 0.2 * codes[1].mean(0)
    torch.testing.assert_close(head.centre, expected)
    before = head.centre.clone()
    head.update_centre()
    assert torch.equal(head.centre, before), 'without clips there is nothing to follow'


def test_what_the_gradients_of_the_concept_loss_reach():
    """Features and the target's distribution are goals; both code generators learn."""
    head = ConceptDictionaries(5, 7, num_concepts=9)
    parts = ConceptReconstructionLoss(), ConceptAlignmentLoss()
    values = [torch.randn(4, width, requires_grad=True) for width in (5, 5, 7, 7)]
    concept_loss(head, *parts, *values)[0].backward()
    assert values[0].grad is not None
    assert [value.grad for value in values[1:]] == [None] * 3
    assert head.target_concepts.grad.abs().sum() > 0  # by its reconstruction
    head.zero_grad()
    ConceptAlignmentLoss()(*head(*values[:2]))[0].backward()
    assert head.target_concepts.grad.abs().sum() == 0 < head.online_concepts.grad.abs().sum()


def test_gradients_by_finite_differences():
    torch.manual_seed(0)
    memory = KeyValueMemory(4, 4, num_slots=6, scale=3.0).double()
    head = ConceptDictionaries(4, 5, num_concepts=6).double().eval()
    parts = ConceptReconstructionLoss(1.0), ConceptAlignmentLoss(1.0, online_temperature=0.5)
    target, features, goals = (torch.randn(5, width, dtype=torch.float64) for width in (4, 5, 5))
    for concepts in (head.online_concepts, head.target_concepts):
        concepts.data.normal_()

    def loss(z):
        cosine = F.cosine_similarity(memory(z), target, dim=1).mean()
        return concept_loss(head, *parts, z, target, features, goals)[0] - cosine

    memory.eval()
    assert torch.autograd.gradcheck(
        loss, torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    )


def test_centre_stays_in_evaluation_mode():
    model = byol().eval()
    model.compute(pairs())
    model.after_step(0.5)
    assert model.concepts.centre.abs().sum() == 0
    model.train().compute(pairs())
    model.after_step(0.5)
    assert model.concepts.centre.abs().sum() > 0


@pytest.mark.parametrize(
    'part, settings, words',
    [
        (ConceptReconstructionLoss, dict(distance='l1'), 'distance'),
        (ConceptReconstructionLoss, dict(average='all'), 'average'),
        (ConceptReconstructionLoss, dict(shares=(1, 2, 3)), 'shares'),
        (ConceptAlignmentLoss, dict(centring='no'), 'centring'),
        (ConceptAlignmentLoss, dict(online_temperature=0), 'temperatures'),
        (ConceptDictionaries, dict(centre_update='epoch'), 'centre_update'),
        (ConceptDictionaries, dict(num_concepts=1), 'num_concepts'),
    ],
)
def test_wrong_concepts(part, settings, words):
    with pytest.raises(ValueError, match=words):
        part(**settings)


# -- the recognizer -----------------------------------------------------------------------------
@pytest.mark.parametrize('scale, reduction', [(1.0, 'sum'), (2.0, 'mean')])
def test_loss_is_equation_4_for_both_queries(scale, reduction):
    torch.manual_seed(0)
    losses = dict(prediction=dict(weight=scale))
    model = byol(concepts=None, losses=losses, view_reduction=reduction)
    for parameter in model.target_backbone.parameters():
        parameter.data.mul_(1.1)
    model.eval()
    clips = pairs()
    losses, stats = model.compute(clips)
    loss = model.loss(clips)['loss_prediction']
    torch.testing.assert_close(loss, scale * losses['prediction'])
    parts = []
    for query, key in ((0, 1), (1, 0)):
        y = model.backbone(clips[:, query]).mean((2, 3, 4))
        goal = model.target_projector(model.target_backbone(clips[:, key]).mean((2, 3, 4)))
        parts.append(-scale * F.cosine_similarity(model.predictor(model.projector(y)), goal).mean())
    expected = sum(parts) if reduction == 'sum' else sum(parts) / 2
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(stats['cosine/predicted'], -sum(parts) / 2 / scale)


def test_target_encoder_gets_no_gradient_and_its_own_batch_statistics():
    model = byol().train()
    before = model.target_backbone.bn1.running_mean.clone()
    model.parse_losses(model.loss(pairs()))[0].backward()
    assert all(
        parameter.grad is None
        for part in (model.target_backbone, model.target_projector)
        for parameter in part.parameters()
    )
    assert all(
        parameter.grad is not None
        for part in (model.backbone, model.projector, model.predictor, model.concepts)
        for parameter in part.parameters()
    )
    assert not torch.equal(model.target_backbone.bn1.running_mean, before)


def test_moving_average_is_of_parameters_only():
    model = byol()
    torch.nn.init.normal_(model.target_projector.mlp[0].weight)
    model.backbone.bn1.running_mean.fill_(3.0)
    online = model.projector.mlp[0].weight.detach().clone()
    target = model.target_projector.mlp[0].weight.clone()
    model.update_target(0.75)
    torch.testing.assert_close(model.target_projector.mlp[0].weight, 0.75 * target + 0.25 * online)
    assert model.target_backbone.bn1.running_mean.abs().sum() == 0
    assert model.momentum == 0.75


def test_starts_with_equal_encoders():
    model = byol()
    model.init_weights()
    for part in ('backbone', 'projector'):
        online, target = getattr(model, part), getattr(model, f'target_{part}')
        assert all(torch.equal(a, b) for a, b in zip(online.parameters(), target.parameters()))


def test_what_is_watched():
    model = byol().train()
    losses = model.loss(pairs())
    assert set(losses) == {
        'loss_prediction',
        'loss_reconstruction',
        'loss_alignment',
        'cosine/predicted',
        'cosine/online',
        'feature_std',
        'momentum',
        'concepts/recon_online',
        'concepts/recon_target',
        'concepts/align',
        'concepts/entropy',
        'concepts/centre_norm',
        'memory/usage_entropy',
        'memory/dead_slots',
    }
    # the rest is not summed
    assert [name for name in losses if 'loss' in name] == [
        'loss_prediction',
        'loss_reconstruction',
        'loss_alignment',
    ]
    assert all(value.ndim == 0 and torch.isfinite(value) for value in losses.values())


def test_a_single_video_is_validated_without_a_spread():
    """The last batch of a validation may be one video, which has no standard deviation."""
    model = byol().eval()
    _, stats = model.compute(pairs()[:1])
    assert 'feature_std' not in stats and 'feature_std' in model.compute(pairs())[1]
    assert all(torch.isfinite(value) for value in stats.values())


def test_losses_are_float32_under_autocast():
    model = byol().train()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model.loss(pairs())
    assert {value.dtype for value in losses.values()} == {torch.float32}


def test_feature_is_the_mean_over_clips():
    model = byol().eval()
    clips = pairs(2)
    feature = model.extract_feat(clips)
    assert feature.shape == (2, WIDTH)
    expected = torch.stack([model.backbone(clips[:, i]).mean((2, 3, 4)) for i in (0, 1)]).mean(0)
    torch.testing.assert_close(feature, expected)


@pytest.mark.parametrize(
    'changes, words',
    [
        (
            dict(projector=dict(type='ProjectionMLP', in_channels=16, out_channels=CODE)),
            'projector.in_channels is 16 .* set projector.in_channels=32',
        ),
        (
            dict(predictor=dict(type='KeyValueMemory', in_channels=5, out_channels=CODE)),
            'predictor.in_channels=6',
        ),
        (
            dict(predictor=dict(type='MLPPredictor', in_channels=CODE, out_channels=7)),
            'predictor.out_channels=6',
        ),
        (
            dict(concepts=dict(type='ConceptDictionaries', in_channels=CODE, feature_channels=16)),
            'concepts.feature_channels=32',
        ),
        (dict(view_reduction='max'), 'view_reduction'),
        (dict(base_momentum=1.5), 'base_momentum'),
    ],
)
def test_wrong_models(changes, words):
    with pytest.raises(ValueError, match=words):
        byol(**changes)


def test_one_clip_or_three_are_refused():
    for count in (1, 3):
        with pytest.raises(ValueError, match='2 clips'):
            byol().compute(torch.randn(2, count, 3, 8, 32, 32))


def test_classifier_pools_positions_at_test_time():
    """``pool_size``: scores of all positions of a larger map, averaged as views are."""
    from mmaction.structures import ActionDataSample

    torch.manual_seed(0)
    head = dict(type='ContextHead', num_classes=3, batch_norm=False)
    config = dict(
        type='ClipClassifier', backbone=dict(type='VideoResNet', base_channels=4), cls_head=head
    )
    model = MODELS.build(dict(config, pool_size=(1, 2, 2))).eval()
    clips = torch.randn(2, 1, 3, 8, 48, 64)
    maps = model.backbone(clips[:, 0])
    assert maps.shape[2:] == (1, 3, 4)
    expected = torch.stack(
        [
            model.cls_head(maps[:, :, :, y : y + 2, x : x + 2].mean((2, 3, 4))).softmax(1)
            for y in range(2)
            for x in range(3)
        ]
    ).mean(0)
    samples = model.predict(clips, [ActionDataSample(), ActionDataSample()])
    torch.testing.assert_close(torch.stack([s.pred_score for s in samples]), expected)
    whole = MODELS.build(dict(config, pool_size=(9, 9, 9))).eval()
    whole.load_state_dict(model.state_dict())
    torch.testing.assert_close(whole.features(clips), whole.extract_feat(clips))
    with pytest.raises(ValueError, match='pool_size'):
        MODELS.build(dict(config, pool_size=(1, 2)))
